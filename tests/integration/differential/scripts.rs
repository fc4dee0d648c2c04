//! Random scripts out of pieces of bash's grammar. The same seed gives the same scripts.

/// Programs that the scripts name; none of them exists.
const PROGRAMS: &[&str] = &[
    "alpha", "bravo", "delta", "echoes", "golf", "hotel", "kilo", "lima", "oscar", "tango",
];
const VARIABLES: &[&str] = &["v", "w", "x", "y"];
const FUNCTIONS: &[&str] = &["f", "g", "h"];
/// Deepest nesting of compound commands.
const MAX_DEPTH: usize = 3;

/// A generator of scripts.
pub(super) struct Scripts {
    state: u64,
}

impl Scripts {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// One script of a few lines.
    pub(super) fn script(&mut self) -> String {
        let lines = 1 + self.below(5);
        (0..lines).map(|_| self.statement(0) + "\n").collect()
    }

    /// A statement that may be followed by a newline or a semicolon.
    fn statement(&mut self, depth: usize) -> String {
        if depth >= MAX_DEPTH {
            return self.simple(depth);
        }
        let inner = depth + 1;
        match self.below(26) {
            0 => format!("{} && {}", self.statement(inner), self.statement(inner)),
            1 => format!("{} || {}", self.statement(inner), self.statement(inner)),
            2 => format!("{} | {}", self.statement(inner), self.statement(inner)),
            3 => format!(
                "if {}; then {}; else {}; fi",
                self.statement(inner),
                self.statement(inner),
                self.statement(inner)
            ),
            4 => format!("if {}; then {}; fi", self.condition(), self.statement(inner)),
            5 => format!("( {}; {} )", self.statement(inner), self.statement(inner)),
            6 => format!("{{ {}; {}; }}", self.statement(inner), self.statement(inner)),
            7 => format!(
                "for {} in {} {}; do {}; done",
                self.variable(),
                self.word(),
                self.word(),
                self.statement(inner)
            ),
            8 => format!(
                "for i in 1 2; do {}; {}; done",
                self.statement(inner),
                self.statement(inner)
            ),
            9 => format!("until [ -n \"$z\" ]; do z=1; {}; done", self.statement(inner)),
            10 => format!(
                "case {} in a|b) {};; *) {};; esac",
                self.word(),
                self.statement(inner),
                self.statement(inner)
            ),
            11 => format!(
                "{}() {{ {}; {}; }}",
                self.function(),
                self.simple(depth),
                self.simple(depth)
            ),
            12 => format!("{} {} {}", self.function(), self.program(), self.word()),
            13 => format!(
                "{}() {{ {} \"$2\"; }}",
                self.function(),
                self.pick(&["$1", "\"$1\"", "\"$@\"", "$*"])
            ),
            14 => format!("eval {}", self.quoted_statement(inner)),
            15 => format!("trap {} EXIT", self.quoted_statement(inner)),
            16 => format!("sh -c {}", self.quoted_statement(inner)),
            17 => self.document(inner),
            18 => format!("{} &", self.statement(inner)).replace("& &", "&") + "\n:",
            19 => format!("! {}", self.simple(depth)),
            _ => self.simple(depth),
        }
    }

    fn simple(&mut self, depth: usize) -> String {
        match self.below(14) {
            0 => format!("{}={}", self.variable(), self.program()),
            1 => format!("{}={}", self.variable(), self.plain()),
            2 => format!("{}+={}", self.variable(), self.plain()),
            3 => format!("a=({} {})", self.plain(), self.word()),
            4 => format!("read {} <<< {}", self.variable(), self.plain()),
            5 => format!("printf -v {} %s {}", self.variable(), self.plain()),
            6 => format!("set -- {} {}", self.program(), self.word()),
            7 => format!(
                "{} {} {}",
                self.pick(&["sudo", "nohup", "command", "builtin eval", "env q=1"]),
                self.program(),
                self.word()
            ),
            8 => format!("alias {}={}\n{}", "zz", self.plain(), "zz 1"),
            9 => format!(
                "{} {}",
                self.pick(&["declare", "local", "export", "unset"]),
                self.variable()
            ),
            10 if depth < MAX_DEPTH => format!("{} \"$({})\"", self.program(), self.statement(depth + 1)),
            11 => format!("{}={} {}", self.variable(), self.plain(), self.program()),
            _ => format!("{} {}", self.program(), self.word()),
        }
    }

    /// What stands in a program's place.
    fn program(&mut self) -> String {
        let plain = self.plain();
        let middle = plain.len() / 2;
        let (start, end) = plain.split_at(middle);
        let variable = self.variable();
        match self.below(24) {
            0 => format!("'{plain}'"),
            1 => format!("{start}\\{end}"),
            2 => format!("{start}''\"{end}\""),
            3 => format!("$'\\x{:02x}'{}", plain.as_bytes()[0], &plain[1..]),
            4 => format!("$(echo {plain})"),
            5 => format!("`echo {start}`{end}"),
            6 => format!("{{{plain},b}}"),
            7 => format!("${{{variable}}}"),
            8 => format!("\"${variable}\""),
            9 => format!("${{{variable}:-{plain}}}"),
            10 => format!("${{{variable}:={plain}}}"),
            11 => format!("${{{variable}#?}}"),
            12 => format!("${{{variable}%a}}"),
            13 => format!("${{{variable}/l/r}}"),
            14 => format!("${{{variable}:1:3}}"),
            15 => self
                .pick(&["\"${a[@]}\"", "${a[0]}", "${a[*]}", "\"$@\"", "$1"])
                .to_owned(),
            16 => format!("{start}\\\n{end}"),
            17 => format!("${variable}"),
            _ => plain,
        }
    }

    fn word(&mut self) -> String {
        match self.below(8) {
            0 => format!("\"${}\"", self.variable()),
            1 => "'a b'".to_owned(),
            2 => format!("$(( {} + 1 ))", self.below(4)),
            3 => format!("<( {} )", self.plain()),
            4 => "2>&1".to_owned(),
            5 => format!("`{} 1`", self.plain()),
            _ => self.pick(&["a", "b", "-x", "{1..3}"]).to_owned(),
        }
    }

    fn condition(&mut self) -> String {
        match self.below(4) {
            0 => format!("[ -z \"${}\" ]", self.variable()),
            1 => format!("[[ -n ${} || a == b ]]", self.variable()),
            2 => "true".to_owned(),
            _ => format!("(( {} ))", self.below(2)),
        }
    }

    fn quoted_statement(&mut self, depth: usize) -> String {
        let statement = self.statement(depth);
        if self.below(2) == 0 || statement.contains(['"', '\\']) {
            format!("'{}'", statement.replace('\'', "'\\''"))
        } else {
            format!("\"{statement}\"")
        }
    }

    /// A here-document that a shell reads, or that only looks like commands.
    fn document(&mut self, depth: usize) -> String {
        let delimiter = self.pick(&["E", "'E'", "E;", "-E"]).to_owned();
        let reader = self.pick(&["sh", "cat", "read w"]).to_owned();
        let end = delimiter.trim_start_matches('-').replace('\'', "");
        let end = end.trim_end_matches(';');
        format!("{reader} <<{delimiter}\n{}\n{end}\n:", self.statement(depth))
    }

    fn plain(&mut self) -> String {
        self.pick(PROGRAMS).to_owned()
    }

    fn variable(&mut self) -> String {
        self.pick(VARIABLES).to_owned()
    }

    fn function(&mut self) -> String {
        self.pick(FUNCTIONS).to_owned()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// A number below `limit` (xorshift).
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % limit
    }
}
