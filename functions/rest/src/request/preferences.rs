//! The `Prefer` header (RFC 7240) in PostgREST's vocabulary.

use super::intent::Action;

/// What a write answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Return {
    Representation,
    HeadersOnly,
    Minimal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Exact,
    Planned,
    Estimated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolution {
    MergeDuplicates,
    IgnoreDuplicates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Default,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    Strict,
    Lenient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionEnd {
    Commit,
    Rollback,
}

/// What happens to rows inside of rows. PostgREST takes them for values of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nested {
    Insert,
    /// Those that are there are updated.
    Update,
}

impl Nested {
    /// Whether it means something for `action`.
    pub(crate) fn goes_with(self, action: Action) -> bool {
        match self {
            Self::Insert => action == Action::Create,
            Self::Update => matches!(action, Action::Create | Action::Replace | Action::Update),
        }
    }

    fn preference(self) -> &'static str {
        match self {
            Self::Insert => "nested=insert",
            Self::Update => "nested=update",
        }
    }
}

/// How far a transaction is kept apart from others. PostgREST leaves it to roles and functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    /// As Postgres calls it.
    pub(crate) fn level(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }

    fn preference(self) -> &'static str {
        match self {
            Self::ReadCommitted => "isolation=read-committed",
            Self::RepeatableRead => "isolation=repeatable-read",
            Self::Serializable => "isolation=serializable",
        }
    }
}

/// All preferences of a request; of several values for one, the first counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preferences<'r> {
    pub(crate) resolution: Option<Resolution>,
    pub(crate) missing: Option<Missing>,
    pub(crate) returning: Option<Return>,
    pub(crate) count: Option<Count>,
    pub(crate) transaction: Option<TransactionEnd>,
    pub(crate) handling: Option<Handling>,
    pub(crate) timezone: Option<&'r str>,
    pub(crate) max_affected: Option<i64>,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) nested: Option<Nested>,
    /// The version of the rows is wanted. Not in PostgREST.
    pub(crate) etag: bool,
    /// What is not understood; an error under `handling=strict`.
    pub(crate) unknown: Vec<&'r str>,
}

impl<'r> Preferences<'r> {
    /// `values` are the `Prefer` headers in order. `tx=` counts only where the operator allows it.
    pub(crate) fn parse(values: impl Iterator<Item = &'r str>, transaction_end_allowed: bool) -> Self {
        let mut preferences = Self::default();
        for preference in values.flat_map(|value| value.split(',')).map(str::trim) {
            preferences.add(preference, transaction_end_allowed);
        }
        preferences
    }

    fn add(&mut self, preference: &'r str, transaction_end_allowed: bool) {
        if let Some(zone) = preference.strip_prefix("timezone=") {
            self.timezone.get_or_insert(zone);
            return;
        }
        if let Some(rows) = preference.strip_prefix("max-affected=") {
            if self.max_affected.is_none() {
                self.max_affected = rows.parse().ok();
            }
            return;
        }
        match preference {
            "resolution=merge-duplicates" => first(&mut self.resolution, Resolution::MergeDuplicates),
            "resolution=ignore-duplicates" => first(&mut self.resolution, Resolution::IgnoreDuplicates),
            "missing=default" => first(&mut self.missing, Missing::Default),
            "missing=null" => first(&mut self.missing, Missing::Null),
            "return=representation" => first(&mut self.returning, Return::Representation),
            "return=minimal" => first(&mut self.returning, Return::Minimal),
            "return=headers-only" => first(&mut self.returning, Return::HeadersOnly),
            "count=exact" => first(&mut self.count, Count::Exact),
            "count=planned" => first(&mut self.count, Count::Planned),
            "count=estimated" => first(&mut self.count, Count::Estimated),
            "handling=strict" => first(&mut self.handling, Handling::Strict),
            "handling=lenient" => first(&mut self.handling, Handling::Lenient),
            "tx=commit" | "tx=rollback" => {
                let end =
                    if preference == "tx=commit" { TransactionEnd::Commit } else { TransactionEnd::Rollback };
                if transaction_end_allowed {
                    first(&mut self.transaction, end);
                }
            }
            "isolation=read-committed" => first(&mut self.isolation, Isolation::ReadCommitted),
            "isolation=repeatable-read" => first(&mut self.isolation, Isolation::RepeatableRead),
            "isolation=serializable" => first(&mut self.isolation, Isolation::Serializable),
            "nested=insert" => first(&mut self.nested, Nested::Insert),
            "nested=update" => first(&mut self.nested, Nested::Update),
            "etag" => self.etag = true,
            _ => self.unknown.push(preference),
        }
    }

    /// Whether rows are counted by running a count.
    pub(crate) fn counts_rows(&self) -> bool {
        matches!(self.count, Some(Count::Exact | Count::Estimated))
    }

    /// The most rows a write may touch, where the client insists on it.
    pub(crate) fn affected_max(&self) -> Option<i64> {
        self.max_affected.filter(|_| self.handling == Some(Handling::Strict))
    }

    /// The value of `Preference-Applied`, or nothing when no preference was applied.
    pub(crate) fn applied(&self) -> Option<String> {
        let texts = [
            self.resolution.map(|value| match value {
                Resolution::MergeDuplicates => "resolution=merge-duplicates",
                Resolution::IgnoreDuplicates => "resolution=ignore-duplicates",
            }),
            self.missing.map(|value| match value {
                Missing::Default => "missing=default",
                Missing::Null => "missing=null",
            }),
            self.returning.map(|value| match value {
                Return::Representation => "return=representation",
                Return::Minimal => "return=minimal",
                Return::HeadersOnly => "return=headers-only",
            }),
            self.count.map(|value| match value {
                Count::Exact => "count=exact",
                Count::Planned => "count=planned",
                Count::Estimated => "count=estimated",
            }),
            self.transaction.map(|value| match value {
                TransactionEnd::Commit => "tx=commit",
                TransactionEnd::Rollback => "tx=rollback",
            }),
            self.handling.map(|value| match value {
                Handling::Strict => "handling=strict",
                Handling::Lenient => "handling=lenient",
            }),
        ];
        let mut applied = texts.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        applied.extend(self.timezone.map(|zone| format!("timezone={zone}")));
        applied.extend(self.affected_max().map(|rows| format!("max-affected={rows}")));
        applied.extend(self.isolation.map(|isolation| isolation.preference().to_owned()));
        applied.extend(self.nested.map(|nested| nested.preference().to_owned()));
        applied.extend(self.etag.then(|| "etag".to_owned()));
        (!applied.is_empty()).then(|| applied.join(", "))
    }

    /// The same for a batch, to which only what is about its transaction applies.
    pub(crate) fn applied_to_batch(&self) -> Option<String> {
        let Self { transaction, handling, timezone, isolation, .. } = *self;
        Preferences { transaction, handling, timezone, isolation, ..Preferences::default() }.applied()
    }
}

fn first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}
