//! Plays scenarios through the daemon.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::home::{Homes, Shell, WHOSE};
use super::scenario::{MORE, Scenario, Step, scenario};
use super::verdict::{Line, Tally, Verdict, judge};
use crate::harness::{Bastion, Config, SETTLED, Ssh, Sshd, Terminal, World, delayed, eventually, record};

/// Sessions at a time.
const PLAYERS: usize = 4;

/// How far away the target of [`Scenario::far`] is.
const LAG: Duration = Duration::from_millis(150);

/// `rm -rf` anywhere in a line is critical, `ask-me` high.
const RULES: &str = r#"
[[rule]]
id = "test.deny"
family = "filesystem"
level = "critical"
sentence = "Is denied in these tests."
when = [{ text = 'rm -rf' }]
match = ["rm -rf /x"]
no_match = ["rm x"]

[[rule]]
id = "test.ask"
family = "filesystem"
level = "high"
sentence = "Is asked about in these tests."
when = [{ text = 'ask-me' }]
match = ["echo ask-me"]
no_match = ["echo me"]
"#;

const POLICY: &str = r#"
[[policies]]
name = "matrix"
users = ["*"]
channels = ["shell", "exec"]
low = "allow"
medium = "allow"
high = "confirm"
critical = "deny"
unknown = "allow"
"#;

/// A target whose login shell is `shell`, a bastion in front of it, and a user with a home for each scenario.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) homes: Homes,
}

impl Stage {
    pub(crate) fn set(shell: Shell, players: usize) -> Self {
        Self::set_with(shell, players, |_, _| {})
    }

    /// As [`Self::set`], with the bastion's configuration after `change`.
    pub(crate) fn set_with(shell: Shell, players: usize, change: impl FnOnce(&mut Config, &Sshd)) -> Self {
        let homes = Homes::new(shell);
        let target = Sshd::start_with(&format!("ForceCommand {}\n", homes.login_command().display()));
        let rules = homes.of("").join("rules.toml");
        std::fs::write(&rules, RULES).unwrap();
        let far = delayed(target.port, LAG);
        let bastion = Bastion::start(&target, |config| {
            config.risk = format!("rules = [\"{}\"]\nmodel = \"\"\n", rules.display());
            POLICY.clone_into(&mut config.policies);
            config.targets += &Config::target_at("far-1", far, &target.host_key.public, &target, "");
            config.users = (0..players)
                .map(|number| Config::person(&player(number), &homes.key))
                .collect();
            change(config, &target);
        });
        Self {
            world: World { bastion, target },
            homes,
        }
    }

    /// A stage with one player, who is at the first prompt of a home with this profile.
    pub(crate) fn alone(shell: Shell, profile: &str) -> (Self, Session) {
        let stage = Self::set(shell, 1);
        let session = stage.enter_at_prompt(0, profile);
        (stage, session)
    }

    /// As [`Self::enter`], for a home with this profile, and awaits the first prompt.
    pub(crate) fn enter_at_prompt(&self, number: usize, profile: &str) -> Session {
        let mut session = self.enter(number, &scenario("", &[], &[]).with_profile(profile));
        session.run(Step::Prompt);
        session
    }

    /// The home of player `number`.
    pub(crate) fn home(&self, number: usize) -> PathBuf {
        self.homes.of(&player(number))
    }

    /// Logs in to the target itself, in the home of player `number` as it is.
    pub(crate) fn enter_directly(&self, number: usize) -> Terminal {
        self.ssh_directly(number, self.world.target.port).terminal("")
    }

    /// An `ssh` to the target itself, by this port, in the home of player `number` as it is.
    pub(crate) fn ssh_directly(&self, number: usize, port: u16) -> Ssh {
        let ssh = self.world.target.direct_by(port);
        ssh.set_env(&format!("{WHOSE}={}", player(number)))
    }

    /// Logs in as player `number`, whose home is furnished for `scenario`.
    pub(crate) fn enter(&self, number: usize, scenario: &Scenario) -> Session {
        self.homes.furnish(&player(number), scenario);
        let target = if scenario.far { "far-1" } else { "web-1" };
        Session {
            terminal: self.ssh_to(number, target).terminal(""),
            prompt: scenario.prompt.clone(),
            record: Record::of(&self.world.bastion.database(), player(number)),
        }
    }

    /// An `ssh` to `web-1` as player `number`, in a home with no profile of its own.
    pub(crate) fn ssh(&self, number: usize) -> Ssh {
        self.furnish(number);
        self.ssh_to(number, "web-1")
    }

    /// Gives player `number` a home with no profile of its own.
    pub(crate) fn furnish(&self, number: usize) {
        self.homes.furnish(&player(number), &scenario("", &[], &[]));
    }

    /// As [`Self::ssh`], to another target of the configuration, in the home as it is.
    pub(crate) fn ssh_to(&self, number: usize, target: &str) -> Ssh {
        let player = player(number);
        let login = format!("{player}@{target}");
        let ssh = self.world.bastion.ssh_with_key(&self.homes.key.path, &login);
        ssh.set_env(&format!("{WHOSE}={player}"))
    }
}

fn player(number: usize) -> String {
    format!("player-{number}")
}

/// A shell that a user sits at.
pub(crate) struct Session {
    pub(crate) terminal: Terminal,
    pub(crate) prompt: String,
    pub(crate) record: Record,
}

impl Session {
    pub(crate) fn run(&mut self, step: Step) {
        match step {
            Step::Type(keys) => self.type_keys(keys),
            Step::Repeat(key, times) => self.type_keys(&vec![key; times]),
            Step::Prompt => drop(self.terminal.expect(&self.prompt)),
            Step::More => drop(self.terminal.expect(MORE)),
            Step::PromptIs(prompt) => prompt.clone_into(&mut self.prompt),
            Step::See(text) => drop(self.terminal.expect(text)),
            Step::Quiet => drop(self.terminal.screen.settle(SETTLED)),
            Step::Resize(columns) => self.terminal.resize(24, columns),
            Step::Runs => self.record.lines_when("a line to run", |lines| {
                lines.last().is_some_and(|line| line.state == "running")
            }),
            Step::Ended(count) => self.record.lines_when(&format!("{count} lines to end"), |lines| {
                lines.iter().filter(|line| line.has_ended()).count() >= count
            }),
            Step::Answer(word) => drop(self.terminal.answer(word)),
        }
    }

    /// Types `keys`; what is on the screen by now is not awaited any longer.
    pub(crate) fn type_keys(&mut self, keys: &[u8]) {
        self.terminal.screen.pass_over();
        self.terminal.send(keys);
    }

    /// Types `line` and Enter, and gives what is shown up to the next prompt.
    pub(crate) fn shown_by(&mut self, line: &str) -> String {
        self.type_keys(format!("{line}\r").as_bytes());
        self.terminal.expect(&self.prompt)
    }

    /// Awaits the prompt after everything, and the rows before it.
    fn await_prompt(&mut self, scenario: &Scenario) {
        if !scenario.may_be_unknown {
            let count = scenario.lines.len();
            self.record.lines_when(&format!("{count} rows"), |lines| {
                lines.len() >= count && lines.last().is_some_and(Line::has_ended)
            });
        }
        self.await_end_prompt();
    }

    /// Awaits that the prompt is the last thing shown.
    pub(crate) fn await_end_prompt(&self) {
        eventually("the prompt", || {
            self.terminal.screen.text().ends_with(&self.prompt).then_some(())
        });
    }

    /// Leaves the shell; gives all rows of the session.
    pub(crate) fn leave(mut self) -> Vec<Line> {
        self.terminal.line("exit");
        self.terminal.finish();
        self.record.lines_when("all rows to be final", |lines| {
            lines.last().is_some() && lines.iter().all(Line::has_ended)
        });
        self.record.lines()
    }
}

/// What the record says of one player.
pub(crate) struct Record {
    database: Connection,
    player: String,
}

impl Record {
    fn of(database: &Path, player: String) -> Self {
        Self {
            database: record::open(database).unwrap(),
            player,
        }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let sql = "SELECT command, exactness, state, state_reason, exit_code FROM command_executions \
                   WHERE user_id = ? ORDER BY id";
        let mut statement = self.database.prepare_cached(sql).unwrap();
        let rows = statement.query_map([&self.player], |row| {
            Ok(Line {
                text: row.get(0)?,
                exactness: row.get(1)?,
                state: row.get(2)?,
                reason: row.get(3)?,
                exit_code: row.get(4)?,
            })
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn lines_when(&self, what: &str, condition: impl Fn(&[Line]) -> bool) {
        eventually(what, || condition(&self.lines()).then_some(()));
    }
}

/// Plays all scenarios in a `shell`, a few at a time. Fails where one is wrong, or unknown without leave to be.
#[track_caller]
pub(crate) fn play_all(shell: Shell, scenarios: &[Scenario]) -> Tally {
    let stage = Stage::set(shell, scenarios.len());
    let next = Mutex::new(scenarios.iter().enumerate());
    let verdicts = Mutex::new(Vec::new());
    thread::scope(|players| {
        for _ in 0..PLAYERS.min(scenarios.len()) {
            players.spawn(|| {
                while let Some((number, scenario)) = take(&next) {
                    let played = thread::scope(|one| one.spawn(|| play(&stage, number, scenario)).join());
                    let verdict = played.unwrap_or_else(|panic| Verdict::Wrong(words(panic.as_ref())));
                    verdicts.lock().unwrap().push((scenario, verdict));
                }
            });
        }
    });
    drop(stage);
    summed_up(shell, &verdicts.into_inner().unwrap())
}

fn take<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().unwrap().next()
}

fn play(stage: &Stage, number: usize, scenario: &Scenario) -> Verdict {
    let mut session = stage.enter(number, scenario);
    session.run(Step::Prompt);
    for step in &scenario.steps {
        session.run(*step);
    }
    session.await_prompt(scenario);
    let rows = session.leave();
    if stage.home(number).join("RAN").exists() {
        return Verdict::Wrong(format!("a refused line left its trace: {rows:?}"));
    }
    match judge(scenario, &rows) {
        Verdict::Unknown(_) if !scenario.may_be_unknown => Verdict::Wrong(format!("unknown lines: {rows:?}")),
        Verdict::Wrong(why) => Verdict::Wrong(format!("{why}; rows {rows:?}")),
        verdict => verdict,
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_default()
}

#[track_caller]
fn summed_up(shell: Shell, verdicts: &[(&Scenario, Verdict)]) -> Tally {
    let mut tally = Tally::default();
    let mut faults = Vec::new();
    for (scenario, verdict) in verdicts {
        tally.count(scenario, verdict);
        match verdict {
            Verdict::Exact => {}
            Verdict::Unknown(lines) => eprintln!("{}: {}: {lines} unknown", shell.name(), scenario.name),
            Verdict::Wrong(why) => faults.push(format!("{}: {}: {why}", shell.name(), scenario.name)),
        }
    }
    eprintln!("{}: {tally}", shell.name());
    assert!(faults.is_empty(), "{tally}\n{}", faults.join("\n"));
    tally
}
