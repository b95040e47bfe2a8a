//! One field of a schedule: the numbers it names, as bits.

/// What a field may hold.
pub(super) struct Kind {
    low: u32,
    high: u32,
    /// Names in the order of their numbers, from `low`.
    names: &'static [&'static str],
    has_last: bool,
}

pub(super) const SECOND: Kind = Kind { low: 0, high: 59, names: &[], has_last: false };
pub(super) const MINUTE: Kind = SECOND;
pub(super) const HOUR: Kind = Kind { high: 23, ..SECOND };
pub(super) const DAY_OF_MONTH: Kind = Kind { low: 1, high: 31, names: &[], has_last: true };
pub(super) const MONTH: Kind = Kind {
    low: 1,
    high: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    has_last: false,
};
/// 0 and 7 are Sunday.
pub(super) const WEEKDAY: Kind =
    Kind { high: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"], ..SECOND };

/// The bit that stands for the last day of the month; no field has a number 63.
pub(super) const LAST_DAY: u64 = 1 << 63;

/// A set of numbers below 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    /// Whether the text begins with `*`: Vixie's cron asks for this where it joins the days of the month
    /// and of the week.
    pub(super) is_star: bool,
}

impl Field {
    pub(super) fn parse(text: &str, kind: &Kind) -> Option<Self> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= if part == "$" && kind.has_last { LAST_DAY } else { kind.range(part)? };
        }
        Some(Self { bits, is_star: text.starts_with('*') })
    }

    /// Every number from 0 to `high`.
    pub(super) fn is_full(self, high: u32) -> bool {
        self.bits.count_ones() == high + 1
    }

    pub(super) fn only(number: u32) -> Self {
        Self { bits: 1 << number, is_star: false }
    }

    pub(super) fn has(self, number: u32) -> bool {
        self.bits & (1 << number) != 0
    }

    pub(super) fn has_last_day(self) -> bool {
        self.bits & LAST_DAY != 0
    }

    /// The least number in the set from `number` on.
    pub(super) fn from(self, number: u32) -> Option<u32> {
        let rest = u64::MAX.checked_shl(number).map_or(0, |mask| self.bits & mask);
        (rest != 0).then(|| rest.trailing_zeros())
    }
}

impl Kind {
    /// `*`, `2`, `2-5`, `*/2`, `2-8/2`. A step needs a range, as in Vixie's cron.
    fn range(&self, part: &str) -> Option<u64> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, number(step).filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (self.low, self.high),
            (_, Some((first, last))) => (self.number(first)?, self.number(last)?),
            (single, None) if !part.contains('/') => (self.number(single)?, self.number(single)?),
            (_single, None) => return None,
        };
        // `fri-sun`.
        let last = if self.high == 7 && last == 0 && first > 0 { 7 } else { last };
        if first < self.low || last > self.high || first > last {
            return None;
        }
        Some((first..=last).step_by(step as usize).fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        named.map(|index| index as u32 + self.low).or_else(|| number(text))
    }
}

/// Up to four digits and nothing else: no sign.
fn number(text: &str) -> Option<u32> {
    let is_plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}
