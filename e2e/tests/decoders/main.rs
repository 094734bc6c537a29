//! What is fuzzed, as a test: the targets' own functions over the committed seeds, over what this version
//! writes, and over prefixes and flipped bits of both. `cargo xtask fuzz` goes on from the seeds.
//!
//! `AEGIS_BLESS=1` writes the seeds of this version that are missing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod seeds;
#[allow(unreachable_pub, reason = "they are a library where they are fuzzed")]
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::{TARGETS, Target};

fn folder() -> PathBuf {
    aegis_xtask::root().join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| stem(entry.unwrap().path()))
        .collect()
}

#[test]
fn every_target_has_a_program_and_seeds() {
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("fuzz_targets")), known);
    assert_eq!(names(&folder().join("seeds")), known);
}

#[test]
fn no_seed_and_nothing_near_one_shows_a_fault() {
    let mut inputs: Vec<(String, Vec<u8>)> = seeds::all();
    let ours = inputs.len();
    for (target, _) in TARGETS {
        for entry in fs::read_dir(folder().join("seeds").join(target)).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            inputs.push((target.to_owned(), seed));
        }
    }
    assert!(inputs.len() > ours);
    let targets: std::collections::BTreeMap<_, _> = TARGETS.into_iter().collect();
    let tried: usize = inputs
        .iter()
        .map(|(name, seed)| around(name, targets[name.as_str()], seed))
        .sum();
    println!("{tried} inputs");
}

/// Runs `target` over `seed` and what is near it; answers how often.
fn around(name: &str, target: Target, seed: &[u8]) -> usize {
    let run = |bytes: &[u8]| {
        let fault = catch_unwind(|| target(bytes)).is_err();
        assert!(!fault, "{name}: {:?}", String::from_utf8_lossy(bytes));
    };
    run(seed);
    for end in 0..seed.len() {
        run(&seed[..end]);
        let mut bent = seed.to_vec();
        bent[end] ^= 1 << (end % 8);
        run(&bent);
    }
    1 + 2 * seed.len()
}

#[test]
fn what_this_version_writes_is_among_the_seeds() {
    for (index, (target, bytes)) in seeds::all().into_iter().enumerate() {
        let folder = folder().join("seeds").join(&target);
        let there = folder.is_dir()
            && fs::read_dir(&folder)
                .unwrap()
                .any(|entry| fs::read(entry.unwrap().path()).unwrap() == bytes);
        if there {
            continue;
        }
        assert!(
            std::env::var_os("AEGIS_BLESS").is_some(),
            "a seed of `{target}` is missing: run with AEGIS_BLESS=1"
        );
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{index:03}")), bytes).unwrap();
    }
}
