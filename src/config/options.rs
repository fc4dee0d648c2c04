//! What may stand before a key in a line of `authorized_keys`, as sshd(8) describes it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::document::Fault;
use super::settings::{Conditions, Restrictions};
use super::sources::Sources;

/// The options of one line.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// When and from where the key holds, and what it does not permit.
    pub(super) conditions: Conditions,
    /// Whether the key is that of a CA, whose certificates are meant.
    pub(super) cert_authority: bool,
    /// Principals, one of which such a certificate must name; empty for the user's own name.
    pub(super) principals: Vec<String>,
}

impl Options {
    /// Reads the options of a line. What cannot be kept to is refused: a key must not permit more than its line says.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut options = Self::default();
        for option in split(text)? {
            options.apply(&option)?;
        }
        if !options.cert_authority && !options.principals.is_empty() {
            let remedy = "add cert-authority, or take the option out";
            return Err(Fault::new("has the option principals without cert-authority", remedy));
        }
        Ok(options)
    }

    fn apply(&mut self, option: &Written<'_>) -> Result<(), Fault> {
        let restrictions = &mut self.conditions.restrictions;
        match option.name.to_ascii_lowercase().as_str() {
            "restrict" => option.flag(|| *restrictions = Restrictions::ALL),
            "pty" => option.flag(|| restrictions.no_pty = false),
            "no-pty" => option.flag(|| restrictions.no_pty = true),
            "port-forwarding" => option.flag(|| restrictions.no_port_forwarding = false),
            "no-port-forwarding" => option.flag(|| restrictions.no_port_forwarding = true),
            "agent-forwarding" => option.flag(|| restrictions.no_agent_forwarding = false),
            "no-agent-forwarding" => option.flag(|| restrictions.no_agent_forwarding = true),
            "x11-forwarding" => option.flag(|| restrictions.no_x11_forwarding = false),
            "no-x11-forwarding" => option.flag(|| restrictions.no_x11_forwarding = true),
            "cert-authority" => option.flag(|| self.cert_authority = true),
            // The bastion runs no rc file, and no touch is asked for.
            "no-user-rc" | "no-touch-required" => option.flag(|| ()),
            "from" => option.once(&mut self.conditions.from, Sources::parse),
            "expiry-time" => option.once(&mut self.conditions.expires, expiry_time),
            "principals" => {
                self.principals = principals(option)?;
                Ok(())
            }
            name => Err(refusal(name)),
        }
    }
}

/// Why an option is not kept to, and what does its work instead.
fn refusal(name: &str) -> Fault {
    let remedy = match name {
        "command" => "take the option out; policies say what a user may run",
        "environment" => "take the option out; server.accept_env says which variables are passed on",
        "permitopen" | "permitlisten" => {
            "take the option out, or use no-port-forwarding; policies say which channels are open"
        }
        "tunnel" => "take the option out; tunnels are always refused",
        "verify-required" => {
            "take the key out, or the option if a PIN need not be seen; it cannot be told whether one was entered"
        }
        _ => "take the option out; see sshd(8) for those that there are",
    };
    Fault::new(
        format!("has the option {name}, which the bastion does not keep to"),
        remedy,
    )
}

fn principals(option: &Written<'_>) -> Result<Vec<String>, Fault> {
    let names: Vec<_> = option.value()?.split(',').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err(Fault::new(
            "has an empty name in the option principals",
            "give names, separated by commas",
        ));
    }
    Ok(names)
}

/// `YYYYMMDD[HHMM[SS]][Z]`; without Z, in the time zone of this machine.
fn expiry_time(text: &str) -> Result<Timestamp, Fault> {
    let fault = || {
        Fault::new(
            format!("has the option expiry-time with `{text}`, which is no time"),
            "give YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a Z behind it for UTC",
        )
    };
    let (digits, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    if ![8, 12, 14].contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault());
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", format!("{digits:0<14}")).map_err(|_| fault())?;
    zone.to_timestamp(time).map_err(|_| fault())
}

/// One option as it is written.
struct Written<'l> {
    name: &'l str,
    value: Option<String>,
}

impl Written<'_> {
    fn flag(&self, set: impl FnOnce()) -> Result<(), Fault> {
        if self.value.is_some() {
            let what = format!("has a value for the option {}, which takes none", self.name);
            return Err(Fault::new(what, "take the value out"));
        }
        set();
        Ok(())
    }

    fn value(&self) -> Result<&str, Fault> {
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        value.ok_or_else(|| {
            let what = format!("has the option {} without a value", self.name);
            Fault::new(what, format!("give one in quotes: {}=\"...\"", self.name))
        })
    }

    fn once<T>(&self, place: &mut Option<T>, parse: impl FnOnce(&str) -> Result<T, Fault>) -> Result<(), Fault> {
        if place.is_some() {
            let what = format!("has the option {} twice", self.name);
            return Err(Fault::new(what, "keep one of them"));
        }
        *place = Some(parse(self.value()?)?);
        Ok(())
    }
}

/// The options before the key, and the rest of the line; a blank within quotes ends nothing.
pub(super) fn split_line(line: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !quoted && (c == ' ' || c == '\t');
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    line.split_at(end.unwrap_or(line.len()))
}

/// The options of a list, unquoted.
fn split(text: &str) -> Result<Vec<Written<'_>>, Fault> {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(quoted) => {
                let (value, after) = unquote(quoted).ok_or_else(|| not_quoted(name))?;
                (Some(value), after)
            }
            None => (None, after),
        };
        options.push(Written { name, value });
        rest = match after.strip_prefix(',') {
            Some(next) => next,
            None if after.is_empty() => return Ok(options),
            None => return Err(not_quoted(name)),
        };
    }
}

fn not_quoted(name: &str) -> Fault {
    Fault::new(
        format!("has the option {name} with a value that is not in quotes"),
        format!("write {name}=\"...\""),
    )
}

/// The text between the quotes that `text` begins with, and what is behind them; `\"` stands for a quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let at = rest.find('"')?;
        let (before, after) = (rest.get(..at)?, rest.get(at + 1..)?);
        let Some(escaped) = before.strip_suffix('\\') else {
            value.push_str(before);
            return Some((value, after));
        };
        value.push_str(escaped);
        value.push('"');
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn restrictions(text: &str) -> Restrictions {
        Options::parse(text).unwrap().conditions.restrictions
    }

    #[test]
    fn each_option_takes_what_it_names_and_gives_it_back_in_order() {
        assert_eq!(restrictions("restrict"), Restrictions::ALL);
        assert_eq!(restrictions("no-user-rc,no-touch-required"), Restrictions::default());
        let all_but_pty = Restrictions {
            no_pty: false,
            ..Restrictions::ALL
        };
        assert_eq!(restrictions("restrict,pty"), all_but_pty);
        assert_eq!(restrictions("pty,restrict"), Restrictions::ALL);
        let taken = "no-pty,no-port-forwarding,no-agent-forwarding,NO-X11-Forwarding";
        assert_eq!(restrictions(taken), Restrictions::ALL);
        let given = "restrict,pty,port-forwarding,agent-forwarding,X11-forwarding";
        assert_eq!(restrictions(given), Restrictions::default());
    }

    #[test]
    fn a_ca_may_have_principals() {
        let options = Options::parse(r#"cert-authority,principals="alice,sre""#).unwrap();
        assert!(options.cert_authority);
        assert_eq!(options.principals, ["alice", "sre"]);
    }

    #[test]
    fn an_expiry_time_has_the_forms_that_sshd_knows() {
        for (text, expected) in [
            ("20300102Z", Some("2030-01-02T00:00:00Z")),
            ("203001020304Z", Some("2030-01-02T03:04:00Z")),
            ("20300102030405Z", Some("2030-01-02T03:04:05Z")),
            ("20301302Z", None),
            ("2030Z", None),
            ("+20300102", None),
            ("tomorrow", None),
            ("Z", None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(expiry_time(text).ok(), expected, "{text}");
        }
        assert!(expiry_time("20300102").is_ok(), "in the zone of this machine");
    }

    #[test]
    fn what_is_not_kept_to_is_refused_by_its_name() {
        for option in [
            r#"command="ls""#,
            r#"environment="A=b""#,
            r#"permitopen="h:22""#,
            r#"permitlisten="22""#,
            r#"tunnel="1""#,
            "verify-required",
            "user-rc",
            "no-such-option",
        ] {
            let name = option.split('=').next().unwrap();
            let fault = Options::parse(&format!("no-pty,{option}")).unwrap_err();
            assert!(fault.what.contains(&format!("the option {name}")), "{}", fault.what);
            assert!(!fault.remedy.is_empty());
        }
    }

    #[test]
    fn a_list_that_is_not_well_formed_is_refused() {
        for text in [
            "",
            "no-pty,",
            ",no-pty",
            "from=10.0.0.1",
            r#"from="10.0.0.1"#,
            r#"from="10.0.0.1"x"#,
            r#"from="""#,
            "from",
            r#"no-pty="yes""#,
            r#"from="10.0.0.1",from="10.0.0.2""#,
            r#"from="web-1""#,
            r#"principals="alice""#,
            r#"cert-authority,principals="alice,""#,
        ] {
            assert!(Options::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_blank_or_a_comma_within_quotes_ends_nothing() {
        assert_eq!(
            split_line(r#"from="10.0.0.1, 10.0.0.2",pty ssh-rsa AAAA"#).1,
            " ssh-rsa AAAA"
        );
        assert_eq!(split_line(r#"a="\" " b"#), (r#"a="\" ""#, " b"));
        let options = Options::parse(r#"from="10.0.0.1, 10.0.0.2",no-pty"#).unwrap();
        let from = options.conditions.from.unwrap();
        assert!(from.admit([10, 0, 0, 2].into()) && options.conditions.restrictions.no_pty);
        let (value, rest) = unquote(r#""a\"b",c"#).unwrap();
        assert_eq!((value.as_str(), rest), (r#"a"b"#, ",c"));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_fall_over(line in r#"[a-z0-9",=\\ µ-]{0,40}"#) {
            let (options, rest) = split_line(&line);
            prop_assert_eq!(format!("{options}{rest}"), line.clone());
            prop_assert!(Options::parse(options).is_ok() || Options::parse(options).is_err());
        }
    }
}
