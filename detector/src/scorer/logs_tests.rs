use super::*;

/// Rows of templates, one each minute, and what of them is blamed.
#[derive(Default)]
struct Log {
    templates: Templates,
    minutes: u64,
}

impl Log {
    fn row(&mut self, lines: &[(&str, f64)]) {
        self.minutes += 1;
        let mut written = Written::new();
        for (text, rate) in lines {
            written.add(Level::of_text(text), text, *rate);
        }
        let at = Timestamp::EPOCH + Duration::from_secs(60 * self.minutes);
        self.templates.look(at, written);
    }

    fn usual(&mut self, lines: &[(&str, f64)], rows: u32) {
        for _ in 0..rows {
            self.row(lines);
            self.templates.learn(60.0, 1_800.0, 1.0);
        }
    }

    fn blamed(&self) -> Vec<(String, f64)> {
        let blame = self.templates.blame(3.0).into_iter();
        blame.map(|one| (one.feature, one.expected)).collect()
    }
}

#[test]
fn levels_are_read_from_what_libraries_call_them_and_from_lines() {
    for (word, level) in [
        ("ERROR", Level::Error),
        ("fatal", Level::Error),
        ("Warning", Level::Warn),
        ("debug", Level::Info),
        ("", Level::Unknown),
        ("error_count", Level::Unknown),
    ] {
        assert_eq!(Level::of(word), level, "{word}");
    }
    for (text, level) in [
        ("level=info msg=\"retry after error\"", Level::Error),
        ("<*> WARN slow query <*>", Level::Warn),
        ("terrors of the deep", Level::Unknown),
    ] {
        assert_eq!(Level::of_text(text), level, "{text}");
    }
}

#[test]
fn what_is_written_far_more_often_is_blamed_and_errors_come_first() {
    let mut log = Log::default();
    let usual = [("error: timeout to <*>", 0.02), ("info: served <*>", 10.0)];
    log.usual(&usual, 60);
    assert_eq!(log.blamed(), []);
    log.row(&[
        ("error: timeout to <*>", 5.0),
        ("info: served <*>", 100.0),
        ("error: connection refused to <*>", 2.0),
    ]);
    let blamed = log.blamed();
    let names: Vec<&str> = blamed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "log_template.error.error: timeout to <*>",
            "log_template.error.error: connection refused to <*>",
            "log_template.info.info: served <*>",
        ]
    );
    assert!(blamed[1].1.abs() < 1e-12, "it was never written before");
    assert!((blamed[2].1 - 10.0).abs() < 0.5, "{blamed:?}");
}

#[test]
fn what_is_new_at_the_start_or_written_for_long_is_no_news() {
    let mut log = Log::default();
    log.usual(&[("error: a", 1.0)], 3);
    log.row(&[("error: a", 1.0), ("error: b", 9.0)]);
    assert_eq!(log.blamed(), [], "its log is as new");
    let mut log = Log::default();
    log.usual(&[("error: a", 1.0)], 60);
    log.usual(&[("error: a", 1.0), ("error: b", 9.0)], 1);
    assert_eq!(log.blamed().len(), 1);
    log.usual(&[("error: a", 1.0), ("error: b", 9.0)], 60);
    assert_eq!(log.blamed(), []);
}

#[test]
fn few_templates_are_followed_and_those_that_matter_most() {
    let mut log = Log::default();
    let texts: Vec<String> = (0..600)
        .map(|n| format!("info {n} {}", "\u{e9}\n".repeat(900)))
        .collect();
    let many: Vec<(&str, f64)> = texts.iter().map(|text| (text.as_str(), 5.0)).collect();
    log.usual(&many, 40);
    assert_eq!(log.templates.followed.len(), MAX_TEMPLATES);
    log.row(&[
        ("error: it broke", 0.5),
        ("error `x`\r\n", f64::MAX),
        ("error `x`\r\n", f64::MAX),
    ]);
    assert_eq!(log.templates.followed.len(), MAX_TEMPLATES);
    let blamed = log.templates.blame(3.0);
    assert_eq!(blamed[0].feature, "log_template.error.error  x   ");
    assert!(
        blamed
            .iter()
            .all(|one| one.deviation.is_finite() && one.value.is_finite())
    );
    assert!(blamed.len() <= MAX_TOLD);
    let all = &log.templates.followed;
    assert!(
        all.iter()
            .all(|one| one.text.chars().count() <= MAX_TEMPLATE)
    );
}
