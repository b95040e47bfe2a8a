//! Row ranges: `limit`, `offset` and the `Range` header.

/// Rows `lower..=upper`, counted from zero. May be empty, which `limit=0` makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRange {
    pub(crate) lower: i64,
    /// `None`: to the last row.
    pub(crate) upper: Option<i64>,
}

/// Why a requested range cannot be served: 416.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeFault {
    NegativeLimit,
    LowerAboveUpper,
}

impl RowRange {
    pub(crate) const ALL: Self = Self { lower: 0, upper: None };
    /// What `limit=0` asks for.
    pub(crate) const NOTHING: Self = Self { lower: 0, upper: Some(-1) };

    /// From the texts of `limit` and `offset`. Texts that are no numbers count as absent; but a bad
    /// limit next to an offset counts as zero, as in PostgREST.
    pub(crate) fn from_texts(limit: Option<&str>, offset: Option<&str>) -> Self {
        let limit_rows = limit.and_then(integer);
        match (limit, offset) {
            (_, None) => Self { lower: 0, upper: limit_rows.map(|rows| rows.saturating_sub(1)) },
            (None, Some(offset)) => Self { lower: integer(offset).unwrap_or(0), upper: None },
            (Some(_), Some(offset)) => {
                let lower = integer(offset).unwrap_or(0);
                let rows = limit_rows.unwrap_or(0);
                Self { lower, upper: Some(lower.saturating_add(rows).saturating_sub(1)) }
            }
        }
    }

    /// From a `Range` header: `a-b` or `a-`; anything else asks for everything (RFC 9110 §14.2).
    pub(crate) fn from_header(value: &str) -> Self {
        let Some((lower, upper)) = value.split_once('-') else { return Self::ALL };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if lower.is_empty() || !digits(lower) || !digits(upper) {
            return Self::ALL;
        }
        let number = |text: &str| text.parse().unwrap_or(i64::MAX);
        Self { lower: number(lower), upper: (!upper.is_empty()).then(|| number(upper)) }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.upper.is_some_and(|upper| upper < self.lower)
    }

    pub(crate) fn is_limit_zero(self) -> bool {
        self.upper == Some(-1)
    }

    /// Rows at most, or `None` without a bound.
    pub(crate) fn limit(self) -> Option<i64> {
        self.upper.map(|upper| upper.saturating_sub(self.lower).saturating_add(1))
    }

    /// Rows in both ranges.
    pub(crate) fn intersect(self, other: Self) -> Self {
        let upper = match (self.upper, other.upper) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { lower: self.lower.max(other.lower), upper }
    }

    /// No more than `rows_max` rows.
    pub(crate) fn capped(self, rows_max: Option<i64>) -> Self {
        match rows_max {
            Some(rows) if !self.is_limit_zero() => {
                self.intersect(Self { lower: self.lower, upper: Some(self.lower.saturating_add(rows - 1)) })
            }
            _ => self,
        }
    }

    /// The range of the whole response, from the query's and the header's.
    pub(crate) fn top_level(query: Self, header: Self) -> Result<Self, RangeFault> {
        if query.is_limit_zero() {
            return Ok(Self::NOTHING);
        }
        let both = header.intersect(query);
        match (both.is_empty(), header.is_empty()) {
            (false, _) => Ok(both),
            (true, true) => Err(RangeFault::LowerAboveUpper),
            (true, false) => Err(RangeFault::NegativeLimit),
        }
    }
}

fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}
