//! A new installation: what `aegis init` makes, and what `aegis config` says of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn aegis(arguments: &[&str], config: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis"));
    command.args(arguments).env("AEGIS_CONFIG", config);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn what_init_makes_is_accepted_and_its_secrets_are_secret() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("aegis");
    let config = dir.join("aegis.toml");
    let made = aegis(
        &[
            "init",
            dir.to_str().unwrap(),
            "--publisher",
            "billing",
            "--cluster",
            "prod.eu",
        ],
        &config,
    );
    assert!(made.status.success(), "{}", said(&made));
    let checked = aegis(&["config", "check"], &config);
    assert!(checked.status.success(), "{}", said(&checked));
    for secret in [
        "decisions.keys",
        "gateway.token-secret",
        "audit.key",
        "nats/policy.seed",
        "nats/billing.seed",
    ] {
        assert_eq!(
            mode(&dir.join("secrets").join(secret)) & 0o077,
            0,
            "{secret}"
        );
    }
    assert_eq!(mode(&dir.join("secrets")), 0o700);
    let again = aegis(&["init", dir.to_str().unwrap()], &config);
    assert!(!again.status.success());
    assert!(
        said(&again).contains("never overwritten"),
        "{}",
        said(&again)
    );
    // What is shown is a configuration again, and the same one.
    let shown = aegis(&["config", "show"], &config);
    assert_eq!(
        String::from_utf8(shown.stdout).unwrap(),
        std::fs::read_to_string(&config).unwrap()
    );
}

#[test]
fn every_mistake_is_said_at_once_with_a_guess() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("aegis.toml");
    let text = "[bus]\nulr = \"nats://a\"\n[topology]\nreplicas = \"three\"\n[gateway]\nlisten = \"nowhere\"\n";
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis"));
    command
        .args(["config", "check"])
        .env("AEGIS_CONFIG", &config)
        .env("AEGIS_LOG__FORMAT", "loud");
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = said(&refused);
    for part in [
        "did you mean `url`?",
        "`topology.replicas`",
        "`gateway.listen`",
        "AEGIS_LOG__FORMAT",
    ] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[test]
fn receivers_are_checked_before_anybody_has_to_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("aegis");
    let config = home.join("aegis.toml");
    aegis(&["init", home.to_str().unwrap()], &config);
    let made = std::fs::read_to_string(&config).unwrap();
    let text = "[[notify.routes]]\nreceivers = [\"team\", \"nobody\"]\n\
        [notify.receivers.team]\ntype = \"slack\"\ntoken_file = \"token\"\nchannel = \"C1\"\napi_url = \"http://10.0.0.5\"\n";
    std::fs::write(&config, format!("{made}\n{text}")).unwrap();
    let checked = said(&aegis(&["config", "check"], &config));
    for part in ["`nobody`", "`receivers.team`", "begin it with `https://`"] {
        assert!(checked.contains(part), "{part} is missing in: {checked}");
    }
    let text = text.replace(", \"nobody\"", "").replace("http:", "https:");
    std::fs::write(&config, format!("{made}\n{text}")).unwrap();
    let checked = aegis(&["config", "check"], &config);
    assert!(checked.status.success(), "{}", said(&checked));
    let unknown = aegis(&["notify", "test", "nobody"], &config);
    assert_eq!(
        unknown.status.code(),
        Some(1),
        "the token is missing: {}",
        said(&unknown)
    );
    std::fs::write(home.join("token"), "xoxb").unwrap();
    let exposed = aegis(&["notify", "test"], &config);
    assert!(said(&exposed).contains("chmod 0600"), "{}", said(&exposed));
    std::fs::set_permissions(home.join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let unknown = aegis(&["notify", "test", "nobody"], &config);
    assert_eq!(unknown.status.code(), Some(4), "{}", said(&unknown));
}

#[test]
fn settings_of_the_environment_win_and_say_so() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("aegis.toml");
    std::fs::write(&config, "[bus]\nurl = \"nats://file:1\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis"));
    command
        .args(["config", "show", "--origin"])
        .env("AEGIS_CONFIG", &config);
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        shown.contains("bus.url = \"nats://file:1\"  (file)"),
        "{shown}"
    );
    assert!(
        shown.contains("bus.keys_dir = \"secrets/nats\"  (default)"),
        "{shown}"
    );
    let shown = command
        .env("AEGIS_BUS__URL", "nats://env:1")
        .output()
        .unwrap()
        .stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains("bus.url = \"nats://env:1\"  (environment)"),
        "{shown}"
    );
}

#[test]
fn keys_are_made_rotated_and_retired() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("aegis");
    let config = dir.join("aegis.toml");
    assert!(
        aegis(&["init", dir.to_str().unwrap()], &config)
            .status
            .success()
    );
    let keys = |arguments: &[&str]| aegis(&[&["keys"], arguments].concat(), &config);
    let list = || String::from_utf8(keys(&["list"]).stdout).unwrap();
    let first = list().split_whitespace().next().unwrap().to_owned();
    let second = String::from_utf8(keys(&["new"]).stdout)
        .unwrap()
        .trim()
        .to_owned();
    assert!(
        list().contains(&format!("{first} (signs)")),
        "a new key does not sign yet"
    );
    assert!(keys(&["rotate", "--to", &second]).status.success());
    assert!(list().contains(&format!("{second} (signs)")));
    assert!(
        !keys(&["retire", &second]).status.success(),
        "who signs stays"
    );
    assert!(keys(&["retire", &first]).status.success());
    assert!(!list().contains(&first));
}

#[test]
fn the_doctor_fails_with_what_is_wrong_as_json_for_scripts() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("aegis");
    let config = dir.join("aegis.toml");
    let made = aegis(&["init", dir.to_str().unwrap()], &config);
    assert!(made.status.success(), "{}", said(&made));
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegis"));
    command
        .args(["doctor", "--kubernetes", "--json"])
        .env("AEGIS_CONFIG", &config)
        .env("AEGIS_EXECUTOR__KUBECONFIG", dir.join("none.kubeconfig"));
    let examined = command.output().unwrap();
    assert_eq!(examined.status.code(), Some(1), "{}", said(&examined));
    let findings: serde_json::Value = serde_json::from_slice(&examined.stdout).unwrap();
    assert_eq!(findings[0]["verdict"], "missing", "{findings:#}");
    let advice = findings[0]["advice"].as_str().unwrap();
    assert!(advice.contains("none.kubeconfig"), "{advice}");
}
