//! `opspilot token`: who may use the HTTP API, for what and until when.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::table::{self, cell};
use super::{ConfigArg, keeper, print, tell};
use crate::config::{Config, parse_duration};
use crate::control::Request;
use crate::domain::{Name, Scope};
use crate::http::new_secret;
use crate::store::{Reader, Token, TokenGrant, TokenId};

/// Arguments of `opspilot token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a token and print it, once: nobody can show it again
    Add(Add),
    /// List the tokens there are and were
    List(List),
    /// End a token
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Whose it is: it may do what this user may do
    #[arg(long, value_name = "NAME")]
    user: Name,
    /// What it may be used for: ask, feedback, read, export, train, metrics; repeat it, or separate with commas
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// For how long it is valid: 12h, 90d, ...
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = parse_duration)]
    valid_for: Duration,
    /// What it is for
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// The token's id, as `opspilot token list` has it
    id: TokenId,
    #[command(flatten)]
    config: ConfigArg,
}

/// Adds, lists or revokes tokens.
///
/// # Errors
/// The configuration or the record cannot be used, or there is no such user or token.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Add(args) => add(args)?,
        Command::List(args) => list(&args)?,
        Command::Revoke(args) => revoke(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn add(args: Add) -> anyhow::Result<()> {
    let config = args.config.load()?;
    check_user(&config, &args.user)?;
    let secret = new_secret().context("cannot make a token")?;
    let expires_at = Timestamp::now().checked_add(args.valid_for);
    let expires_at = expires_at.context("that is too long")?;
    let (id, user) = (secret.id.clone(), args.user.clone());
    let grant = TokenGrant {
        id: secret.id,
        user: args.user,
        scopes: args.scopes,
        digest: secret.digest,
        comment: args.comment,
        expires_at,
    };
    keeper(&config).ask(&Request::AddToken(Box::new(grant)))?;
    print(|out| writeln!(out, "{}", *secret.token))?;
    tell(&format!(
        "token {id} of {user} is valid until {expires_at:.0}; it is not shown again"
    ));
    Ok(())
}

fn check_user(config: &Config, name: &Name) -> anyhow::Result<()> {
    if config.users.iter().any(|user| user.name == *name) {
        return Ok(());
    }
    bail!("there is no user `{name}` in {}", config.file.display())
}

fn revoke(args: Revoke) -> anyhow::Result<()> {
    let config = args.config.load()?;
    keeper(&config).ask(&Request::RevokeToken { id: args.id })?;
    Ok(())
}

fn list(args: &List) -> anyhow::Result<()> {
    let reader = Reader::open(&args.config.load()?.store.path)?;
    let tokens = reader.tokens().context("cannot read the record")?;
    print(|out| {
        if args.json {
            table::json(out, &tokens)
        } else {
            write_list(out, &tokens, Timestamp::now())
        }
    })?;
    Ok(())
}

/// Writes tokens as a table.
fn write_list(out: &mut dyn Write, tokens: &[Token], now: Timestamp) -> io::Result<()> {
    if tokens.is_empty() {
        return writeln!(out, "There is no token; `opspilot token add` makes one.");
    }
    let mut table = table::new(&["ID", "USER", "SCOPES", "STATE", "EXPIRES (UTC)", "ADDED BY", "COMMENT"]);
    for token in tokens {
        let scopes: Vec<&str> = token.scopes.iter().copied().map(Scope::as_str).collect();
        table.add_row([
            cell(&token.id.to_string()),
            cell(token.user_id.as_str()),
            cell(&scopes.join(",")),
            cell(state(token, now)),
            table::time(&token.expires_at.to_string()),
            cell(&token.added_by),
            cell(token.comment.as_deref().unwrap_or_default()),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    match token.revoked_at {
        Some(_) => "revoked",
        None if token.is_valid(now) => "valid",
        None => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(comment: &str) -> Token {
        Token {
            id: "abcd2345".parse().unwrap(),
            user_id: "alice".parse().unwrap(),
            scopes: vec![Scope::Ask, Scope::Read],
            digest: [7; 32],
            comment: Some(comment.to_owned()),
            added_at: "2026-11-22T13:00:00Z".parse().unwrap(),
            added_by: "uid:0".to_owned(),
            expires_at: "2026-12-22T13:00:00Z".parse().unwrap(),
            revoked_at: None,
        }
    }

    fn listed(token: Token, now: &str) -> String {
        let mut out = Vec::new();
        write_list(&mut out, &[token], now.parse().unwrap()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_says_how_each_token_stands_and_nothing_in_it_acts() {
        let hostile = "laptop\u{1b}]0;pwned\u{7}";
        let text = listed(token(hostile), "2026-12-22T12:00:00Z");
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            row[..6],
            ["abcd2345", "alice", "ask,read", "valid", "2026-12-22", "13:00:00"]
        );
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(listed(token(""), "2026-12-22T13:00:00Z").contains("expired"));
        let revoked = Token {
            revoked_at: Some("2026-11-23T13:00:00Z".parse().unwrap()),
            ..token("")
        };
        assert!(listed(revoked, "2026-11-24T13:00:00Z").contains("revoked"));
    }
}
