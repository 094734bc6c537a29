use super::{Dice, Forest, Rows, Settings};

const SETTINGS: Settings = Settings { trees: 60, seed: 7 };

/// Three classes in two of six features, two rows a group.
fn rows(count: usize) -> Rows {
    let mut dice = Dice::new(3, 0);
    let mut rows = Rows::default();
    for row in 0..count {
        let mut features: Vec<f32> = (0..6).map(|_| dice.below(1_000) as f32).collect();
        let class = dice.below(3);
        features[1] += 700.0 * class as f32;
        features[4] -= 700.0 * class as f32;
        rows.features.push(features);
        rows.classes.push(class);
        rows.groups.push(row / 2);
    }
    rows
}

fn first_of(votes: &[f64]) -> usize {
    let most = votes.iter().copied().fold(0.0, f64::max);
    votes
        .iter()
        .position(|vote| *vote == most)
        .expect("a class")
}

#[test]
fn learns_classes_and_says_of_unseen_rows_how_well() {
    let (known, new) = (rows(300), {
        let mut more = rows(500);
        more.features.drain(..300);
        more.classes.drain(..300);
        more
    });
    let grown = Forest::grow(&known, SETTINGS);
    let hits = |found: &mut dyn Iterator<Item = (usize, usize)>| {
        let (mut right, mut all) = (0.0, 0.0);
        for (said, class) in found {
            right += f64::from(u8::from(said == class));
            all += 1.0;
        }
        right / all
    };
    let new = hits(
        &mut new.features.iter().zip(&new.classes).map(|(row, class)| {
            let votes = grown.forest.votes(row);
            assert!((votes.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            (first_of(&votes), *class)
        }),
    );
    let unseen = hits(
        &mut grown
            .unseen
            .iter()
            .zip(&known.classes)
            .map(|(votes, class)| (first_of(votes.as_ref().expect("60 trees")), *class)),
    );
    assert!(new > 0.85 && unseen > 0.85, "{new} {unseen}");
    assert!((new - unseen).abs() < 0.08, "{new} {unseen}");
}

#[test]
fn the_same_rows_and_seed_give_the_same_forest_and_another_seed_another() {
    let known = rows(80);
    let again = Forest::grow(&known, SETTINGS).forest;
    assert_eq!(Forest::grow(&known, SETTINGS).forest, again);
    let other = Settings {
        seed: 8,
        ..SETTINGS
    };
    assert_ne!(Forest::grow(&known, other).forest, again);
}

#[test]
fn rows_of_a_group_are_never_tested_by_a_tree_that_saw_one_of_them() {
    // Noise, and each group's two rows are the same: whoever saw one knows the other.
    let mut known = rows(200);
    for row in (0..200).step_by(2) {
        known.features[row + 1] = known.features[row].clone();
        known.classes[row] = row / 2 % 2;
        known.classes[row + 1] = row / 2 % 2;
    }
    for features in &mut known.features {
        features[1] = 0.0;
        features[4] = 0.0;
    }
    let grown = Forest::grow(&known, SETTINGS);
    let right = grown.unseen.iter().zip(&known.classes);
    let right =
        right.filter(|(votes, class)| first_of(votes.as_ref().expect("60 trees")) == **class);
    let share = right.count() as f64 / 200.0;
    assert!((0.3..0.7).contains(&share), "{share}");
}

#[test]
fn a_rare_class_weighs_as_much_as_a_frequent_one() {
    // One feature tells nothing: the votes are the classes' weights, not their frequencies.
    let known = Rows {
        features: (0..100).map(|row| vec![(row % 2) as f32]).collect(),
        classes: (0..100).map(|row| usize::from(row >= 90)).collect(),
        groups: (0..100).collect(),
    };
    let votes = Forest::grow(
        &known,
        Settings {
            trees: 300,
            seed: 1,
        },
    )
    .forest
    .votes(&[0.0]);
    assert!((votes[1] - 0.5).abs() < 0.06, "{votes:?}");
}

#[test]
fn a_forest_that_points_nowhere_is_not_sound() {
    let forest = Forest::grow(&rows(60), SETTINGS).forest;
    assert!(forest.is_sound(6, 3));
    assert!(
        !forest.is_sound(1, 3),
        "asks for features that are not there"
    );
    assert!(!forest.is_sound(6, 2), "knows more classes");
}
