//! Pages of a bucket: objects and, where they are asked for, folders.
//!
//! A folder is what several names have in common up to a slash; nobody makes one. By name, a page costs
//! one look into the index for each of its entries, however many objects lie in a folder. In any other
//! order all that begins with the prefix is sorted.

use isobase_base::limits::{STORAGE_LIST_DEFAULT, STORAGE_LIST_MAX, STORAGE_NAME_BYTES_MAX};
use isobase_database::{Identity, Statement, Table};

use crate::object::COLUMNS;
use crate::statement::{Row, text};
use crate::{Code, Error, Object};

/// Which part of a bucket is listed, and how.
#[derive(Clone, Debug)]
pub struct ListOptions {
    pub identity: Identity,
    /// How names begin. For what is in a folder it ends in a slash.
    pub prefix: String,
    /// Whether all names with the prefix are told; otherwise those with a further slash are told once,
    /// as their folder.
    pub recursive: bool,
    /// Entries of this page: 1 to [`STORAGE_LIST_MAX`].
    pub limit: u32,
    /// Entries left out at the beginning.
    pub offset: u32,
    /// [`Page::cursor`] of the page before. By name upwards only.
    pub cursor: Option<String>,
    pub sort: SortColumn,
    pub order: Order,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortColumn {
    /// Byte by byte, so that pages neither overlap nor leave gaps.
    #[default]
    Name,
    CreatedAt,
    UpdatedAt,
    LastAccessedAt,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Ascending,
    Descending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The whole name, with its slash at the end.
    Folder(String),
    Object(Box<Object>),
}

/// Some entries of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` when this is the last one, or the order is not by name upwards.
    pub cursor: Option<String>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self {
            identity: Identity::default(),
            prefix: String::new(),
            recursive: false,
            limit: STORAGE_LIST_DEFAULT,
            offset: 0,
            cursor: None,
            sort: SortColumn::default(),
            order: Order::default(),
        }
    }
}

impl ListOptions {
    fn is_by_name(&self) -> bool {
        self.sort == SortColumn::Name && self.order == Order::Ascending
    }
}

/// From one entry to the next: `$1` bucket, `$2` prefix, `$3` the first name that may come, `$4` whether
/// folders are told, `$5` limit, `$6` offset, `$7` the first name beyond the prefix. After a folder `a/` comes what is not less than `a0`, for
/// `0` follows the slash.
const BY_NAME: &str = "
with recursive entry as (
  (select object.name, cut.folder, cut.next from storage.objects object, lateral (
      select case when $4 and strpos(substr(object.name, length($2) + 1), '/') > 0
        then left(object.name, length($2) + strpos(substr(object.name, length($2) + 1), '/')) end as folder
    ) found, lateral (
      select found.folder, coalesce(left(found.folder, -1) || '0', object.name || chr(1)) as next
    ) cut
    where object.bucket_id = $1 and object.name collate \"C\" >= $3
      and object.name collate \"C\" < $7
    order by object.name collate \"C\" limit 1)
  union all
  select following.* from entry, lateral (
    select object.name, cut.folder, cut.next from storage.objects object, lateral (
      select case when $4 and strpos(substr(object.name, length($2) + 1), '/') > 0
        then left(object.name, length($2) + strpos(substr(object.name, length($2) + 1), '/')) end as folder
    ) found, lateral (
      select found.folder, coalesce(left(found.folder, -1) || '0', object.name || chr(1)) as next
    ) cut
    where object.bucket_id = $1 and object.name collate \"C\" >= entry.next
      and object.name collate \"C\" < $7
    order by object.name collate \"C\" limit 1
  ) following
), page as (select * from entry offset $6 limit $5)
select page.folder, page.next, {columns}
from page left join storage.objects object
  on page.folder is null and object.bucket_id = $1 and object.name = page.name
order by page.name collate \"C\"";

/// Folders first, as upstream.
const SORTED: &str = "
with found as (
  select *, case when $3 and strpos(substr(name, length($2) + 1), '/') > 0
    then left(name, length($2) + strpos(substr(name, length($2) + 1), '/')) end as folder
  from storage.objects where bucket_id = $1 and starts_with(name, $2)
), entry as (
  select distinct folder, null::uuid as id from found where folder is not null
  union all
  select null, id from found where folder is null
)
select entry.folder, null::text, {columns}
from entry left join storage.objects object on object.id = entry.id
order by entry.folder collate \"C\" {direction} nulls last, {column} {direction}, object.name collate \"C\" {direction}
limit $4 offset $5";

pub(crate) fn statement(bucket: &str, options: &ListOptions) -> Result<Statement, Error> {
    let refused = |why: String| Err(Error::new(Code::InvalidParameter, why));
    if !(1..=STORAGE_LIST_MAX).contains(&options.limit) {
        return refused(format!("a page has 1 to {STORAGE_LIST_MAX} entries"));
    }
    if options.prefix.len() > STORAGE_NAME_BYTES_MAX || options.prefix.contains('\0') {
        return refused("the prefix cannot be the beginning of a name".to_owned());
    }
    if options.cursor.as_ref().is_some_and(|cursor| cursor.len() > 2 * STORAGE_NAME_BYTES_MAX) {
        return refused("the cursor is of no page".to_owned());
    }
    let folders = isobase_database::Parameter::Boolean(!options.recursive);
    let integer = |number: u32| isobase_database::Parameter::Int64(number.into());
    if options.is_by_name() {
        // One more than asked for: whether there is a next page.
        let first = match &options.cursor {
            Some(cursor) if cursor.as_str() > options.prefix.as_str() => cursor.clone(),
            _ => options.prefix.clone(),
        };
        let limit = integer(options.limit + 1);
        let parameters = vec![
            text(bucket),
            text(&*options.prefix),
            text(first),
            folders,
            limit,
            integer(options.offset),
            text(beyond(&options.prefix)),
        ];
        return Ok(Statement::new(BY_NAME.replace("{columns}", COLUMNS), parameters));
    }
    if options.cursor.is_some() {
        return refused("a cursor goes with the order by name only; use an offset".to_owned());
    }
    let column = match options.sort {
        SortColumn::Name => "object.name collate \"C\"",
        SortColumn::CreatedAt => "object.created_at",
        SortColumn::UpdatedAt => "object.updated_at",
        SortColumn::LastAccessedAt => "object.last_accessed_at",
    };
    let direction = match options.order {
        Order::Ascending => "asc",
        Order::Descending => "desc",
    };
    let sql =
        SORTED.replace("{columns}", COLUMNS).replace("{column}", column).replace("{direction}", direction);
    let parameters =
        vec![text(bucket), text(&*options.prefix), folders, integer(options.limit), integer(options.offset)];
    Ok(Statement::new(sql, parameters))
}

/// The first text, byte by byte, that is greater than all that begin with `prefix`.
fn beyond(prefix: &str) -> String {
    let mut rest: Vec<char> = prefix.chars().collect();
    while let Some(last) = rest.pop() {
        // What cannot follow in text at all (surrogates) is skipped.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            rest.push(next);
            return rest.into_iter().collect();
        }
    }
    // No name goes beyond the last character, for it is assigned to nothing.
    char::MAX.to_string()
}

pub(crate) fn page(table: Table, options: &ListOptions) -> Page {
    let mut page = Page::default();
    let limit = options.limit as usize;
    let is_longer = table.rows.len() > limit;
    let mut next = None;
    for values in table.rows.into_iter().take(limit) {
        let mut row = Row::new(values);
        let folder = row.text();
        next = row.text();
        page.entries.push(match folder {
            Some(folder) => Entry::Folder(folder),
            None => Entry::Object(Box::new(Object::read(&mut row))),
        });
    }
    page.cursor = next.filter(|_| is_longer);
    page
}

#[cfg(test)]
mod tests {
    use super::beyond;

    #[test]
    fn what_begins_with_a_prefix_is_less_than_what_is_beyond() {
        for (prefix, expected) in
            [("a/", "a0"), ("", "\u{10ffff}"), ("a\u{10ffff}", "b"), ("\u{d7ff}", "\u{e000}")]
        {
            assert_eq!(beyond(prefix), expected, "{prefix:?}");
            assert!(*beyond(prefix) > *format!("{prefix}zzz\u{e000}"));
        }
    }
}
