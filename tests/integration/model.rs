//! Which model scores: installed, taken up by a daemon that runs, rolled back, refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::harness::{World, eventually};

/// A model and its card, in a directory of their own.
struct Model {
    dir: TempDir,
    digest: String,
}

impl Model {
    /// The shipped model under another digest: a comment of its own (field 6 of an ONNX model) is added to the file.
    fn other() -> Self {
        Self::changed(|model, _| model.extend(b"\x32\x05other"))
    }

    /// The shipped model after `change`; its card has the digest of what comes of it, unless the change says otherwise.
    fn changed(change: impl FnOnce(&mut Vec<u8>, &mut Value)) -> Self {
        let shipped = shipped();
        let mut model = fs::read(&shipped).unwrap();
        let mut card = serde_json::from_slice(&fs::read(shipped.with_extension("json")).unwrap()).unwrap();
        let before: Value = Value::clone(&card);
        change(&mut model, &mut card);
        let digest = sha256(&model);
        if card["model"] == before["model"] {
            card["model"]["sha256"] = json!(digest);
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("risk.onnx"), model).unwrap();
        fs::write(dir.path().join("risk.json"), card.to_string()).unwrap();
        Self { dir, digest }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("risk.onnx")
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/risk.onnx")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn install(world: &World, model: &Path) -> Output {
    world
        .bastion
        .opspilot(&["model", "install", &model.display().to_string()])
}

/// What `model status --json` says, whether or not the model can be used.
fn status(world: &World) -> Value {
    let output = world.bastion.opspilot(&["model", "status", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The digest of the model that judged one more command.
fn digest_of_one_more(world: &World) -> String {
    assert_eq!(world.alice().run("true").code, 0);
    let newest = "SELECT model_digest FROM command_executions ORDER BY id DESC LIMIT 1";
    world.bastion.sql().query_row(newest, [], |row| row.get(0)).unwrap()
}

/// Sends SIGHUP and awaits the word about it in the log.
fn reload(world: &mut World, expected: &str) {
    let count = |world: &World| world.bastion.log().matches(expected).count();
    let before = count(world);
    world.bastion.reload(|_| {});
    eventually(expected, || (count(world) > before).then_some(()));
}

#[test]
fn a_model_scores_from_the_sighup_after_it_was_installed_to_the_one_after_it_was_rolled_back() {
    let mut world = World::new();
    let shipped = sha256(&fs::read(shipped()).unwrap());
    let other = Model::other();
    assert_eq!(digest_of_one_more(&world), shipped);

    let installed = install(&world, &other.path());
    assert!(installed.status.success(), "{installed:?}");
    let said = String::from_utf8_lossy(&installed.stdout);
    assert!(said.contains("number 1") && said.contains("SIGHUP"), "{said}");
    assert_eq!(digest_of_one_more(&world), shipped, "nobody told the daemon yet");
    reload(&mut world, "is in force");
    assert_eq!(digest_of_one_more(&world), other.digest);

    let back = world.bastion.opspilot(&["model", "rollback"]);
    assert!(back.status.success(), "{back:?}");
    reload(&mut world, "is in force");
    assert_eq!(digest_of_one_more(&world), shipped);
    let again = world.bastion.opspilot(&["model", "rollback"]);
    assert_eq!(again.status.code(), Some(1), "there is nothing to roll back: {again:?}");
}

#[test]
fn an_installed_model_outlasts_a_restart() {
    let mut world = World::new();
    let other = Model::other();
    assert!(install(&world, &other.path()).status.success());
    world.bastion.stop();
    world.bastion.restart();
    assert_eq!(digest_of_one_more(&world), other.digest);
}

#[test]
fn a_model_in_the_shadow_is_on_record_and_decides_nothing() {
    let other = Model::other();
    let world = World::with(|config| {
        config.risk = format!("{}shadow_model = \"{}\"\n", config.risk, other.path().display());
    });
    assert_eq!(digest_of_one_more(&world), sha256(&fs::read(shipped()).unwrap()));
    let row = "SELECT shadow_model_digest, shadow_risk_level = final_risk_level FROM command_executions";
    let found: (String, bool) = world
        .bastion
        .sql()
        .query_row(row, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(found, (other.digest.clone(), true), "the same trees say the same");

    fs::write(other.path(), "spoilt").unwrap();
    let mut world = world;
    reload(&mut world, "is left out");
    assert_eq!(world.alice().run("true").code, 0);
    let newest = "SELECT shadow_model_digest IS NULL FROM command_executions ORDER BY id DESC LIMIT 1";
    assert!(
        world
            .bastion
            .sql()
            .query_row(newest, [], |row| row.get::<_, bool>(0))
            .unwrap()
    );
}

#[test]
fn a_model_that_is_spoilt_later_leaves_the_old_one_running() {
    let mut world = World::new();
    let other = Model::other();
    assert!(install(&world, &other.path()).status.success());
    reload(&mut world, "is in force");

    fs::write(world.bastion.dir().join("state/models/1/risk.onnx"), "spoilt").unwrap();
    reload(&mut world, "stays as it was");
    assert!(world.bastion.log().contains("not the model that its card describes"));
    assert_eq!(digest_of_one_more(&world), other.digest);

    let said = world.bastion.opspilot(&["model", "status"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let checked = world.bastion.opspilot(&["check"]);
    let remedy = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(remedy.contains("opspilot model rollback"), "{checked:?}");
}

#[test]
fn a_copy_of_an_installed_model_under_another_number_never_scores() {
    let mut world = World::new();
    let other = Model::other();
    assert!(install(&world, &other.path()).status.success());
    assert!(install(&world, &shipped()).status.success());
    let models = world.bastion.dir().join("state/models");
    fs::create_dir(models.join("20261123")).unwrap();
    for file in ["risk.onnx", "risk.json", "number"] {
        fs::copy(models.join("1").join(file), models.join("20261123").join(file)).unwrap();
    }

    reload(&mut world, "number 20261123 was not installed");
    assert_eq!(digest_of_one_more(&world), sha256(&fs::read(shipped()).unwrap()));
    let said = status(&world);
    assert_eq!((&said["number"], &said["earlier"]), (&json!(2), &json!([1])));
    assert!(said["warning"].as_str().unwrap().contains("number 20261123"), "{said}");
}

#[test]
fn a_model_that_cannot_be_used_is_refused_and_changes_nothing() {
    type Change = fn(&mut Vec<u8>, &mut Value);
    let cases: [(Change, &str); 6] = [
        (
            |model, card| {
                card["model"]["sha256"] = json!("0".repeat(64));
                model.push(0);
            },
            "not the model that its card describes",
        ),
        (
            |_, card| card["features"]["digest"] = json!("f".repeat(64)),
            "trained on other features (digest ffffffffffff) than this version of opspilot computes",
        ),
        (
            |_, card| card["golden"][0]["probabilities"] = json!([0.25, 0.25, 0.25, 0.25]),
            "does not answer golden row 0",
        ),
        (|model, _| *model = b"<html>".to_vec(), "not an ONNX file"),
        (|model, _| model.resize(9 * 1024 * 1024, 0), "is larger than"),
        (|_, card| *card = json!({"model": {}}), "not a model card"),
    ];
    let world = World::new();
    for (change, expected) in cases {
        let output = install(&world, &Model::changed(change).path());
        assert_eq!(output.status.code(), Some(1), "{expected}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("nothing was installed") && said.contains(expected),
            "{expected}: {said}"
        );
        assert_eq!(status(&world)["source"], "configured");
    }
    assert!(!world.bastion.dir().join("state/models").exists());
}

#[test]
fn status_says_which_model_it_is_and_how_good() {
    let world = World::new();
    let configured = status(&world);
    assert_eq!(configured["source"], "configured");
    assert_eq!(configured["digest"], sha256(&fs::read(shipped()).unwrap()));

    let other = Model::other();
    assert!(install(&world, &other.path()).status.success());
    assert!(install(&world, &shipped()).status.success());
    let newest = status(&world);
    assert_eq!((&newest["source"], &newest["number"]), (&json!("installed"), &json!(2)));
    assert_eq!(newest["features_fit"], true);
    assert_eq!(newest["error"], Value::Null);
    assert!(newest["metrics"]["macro_f1"].is_number(), "{newest}");
    assert!(newest["installed_at"].is_string(), "{newest}");
    assert_eq!(newest["earlier"], json!([1]));
    assert!(world.bastion.opspilot(&["model", "rollback"]).status.success());
    assert_eq!(status(&world)["digest"], other.digest);

    let text = world.bastion.opspilot(&["model", "status"]).stdout;
    let text = String::from_utf8(text).unwrap();
    for part in ["number 1", &other.digest, "fit this program", "macro f1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn rules_only_means_rules_only_whatever_is_installed() {
    let rules_only = |config: &mut crate::harness::Config| {
        let rules = config.risk.lines().next().unwrap_or_default();
        config.risk = format!("{rules}\nmodel = \"\"\n");
    };
    let world = World::with(rules_only);
    let said = install(&world, &Model::other().path());
    assert!(
        String::from_utf8_lossy(&said.stdout).contains("rules alone score"),
        "{said:?}"
    );
    assert_eq!(status(&world)["source"], "none");
    let score = world.bastion.opspilot(&["score", "--json", "ls"]);
    let score: Value = serde_json::from_slice(&score.stdout).unwrap();
    assert_eq!(score["ml_level"], Value::Null);
}
