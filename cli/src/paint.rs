//! Colours for a person at a terminal, and nothing for anybody else.

use std::io::IsTerminal;

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Coloured,
    Plain,
}

impl Paint {
    /// What fits standard error, and what its reader wants: <https://no-color.org>.
    pub(crate) fn of_stderr() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stderr().is_terminal() && !unwanted { Self::Coloured } else { Self::Plain }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Coloured if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Coloured | Self::Plain => text.to_owned(),
        }
    }

    /// The description of a fault, as compilers write it: what, where, the lines of code, how it was reached.
    pub(crate) fn fault(self, text: &str) -> String {
        let mut lines = text.lines();
        let first = lines.next().map(|line| self.bold(line));
        first.into_iter().chain(lines.map(|line| self.fault_line(line))).collect::<Vec<_>>().join("\n")
    }

    fn fault_line(self, line: &str) -> String {
        if let Some((gutter, code)) = line.split_once(" |")
            && gutter.trim().bytes().all(|byte| byte.is_ascii_digit())
        {
            let is_mark = gutter.trim().is_empty();
            let code = if is_mark { self.red(code) } else { code.to_owned() };
            return format!("{}{code}", self.dim(&format!("{gutter} |")));
        }
        let trimmed = line.trim_start();
        let lead = &line[..line.len() - trimmed.len()];
        let painted = match trimmed.split_once(' ') {
            Some(("at", place)) => format!("at {}", self.cyan(place)),
            Some(("hint:", hint)) => format!("{} {hint}", self.yellow("hint:")),
            None if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte == b'^') => self.red(trimmed),
            Some(_) | None => trimmed.to_owned(),
        };
        format!("{lead}{painted}")
    }
}

#[cfg(test)]
mod tests {
    use super::Paint;

    const FAULT: &str = "Expression expected
  at supabase/functions/f/index.ts:2:9
1 | const a = 1;
2 | const b ==;
  |         ^^
  imported by supabase/functions/f/index.ts
  hint: look again";

    #[test]
    fn a_fault_in_colours() {
        let shown = Paint::Coloured.fault(FAULT).replace('\x1b', "<");
        let expected = "<[1mExpression expected<[0m
  at <[36msupabase/functions/f/index.ts:2:9<[0m
<[2m1 |<[0m const a = 1;
<[2m2 |<[0m const b ==;
<[2m  |<[0m<[31m         ^^<[0m
  imported by supabase/functions/f/index.ts
  <[33mhint:<[0m look again";
        assert_eq!(shown, expected);
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(Paint::Plain.fault(FAULT), FAULT);
        assert_eq!(Paint::Plain.red("x"), "x");
    }
}
