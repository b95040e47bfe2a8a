//! ISBxxx: what can be wrong with requests that PostgREST does not have.

use super::Problem;

impl Problem {
    pub(crate) fn malformed_batch(why: &str) -> Self {
        Self::new(400, "ISB100", "The batch is malformed").details(why)
    }

    pub(crate) fn no_result(why: &str) -> Self {
        Self::new(400, "ISB103", "An item of the batch refers to a result that is not there").details(why)
    }

    pub(crate) fn batch_too_long(bytes_max: usize) -> Self {
        Self::new(413, "ISB101", "The batch is too large")
            .details(format!("The requests of a batch may be {bytes_max} bytes long."))
    }

    pub(crate) fn batch_of_too_many(items_max: usize) -> Self {
        Self::new(413, "ISB101", "The batch is too large")
            .details(format!("A batch may have {items_max} items."))
    }

    pub(crate) fn malformed_cursor() -> Self {
        Self::new(400, "ISB200", "The cursor in 'after' is malformed")
            .hint(Some("Take it from the Link header of the page before.".to_owned()))
    }

    pub(crate) fn foreign_cursor(given: &str, order: &str) -> Self {
        Self::new(400, "ISB201", "The cursor in 'after' belongs to another order")
            .details(format!("It is of a page ordered by {given}, and rows are asked for by {order}."))
    }

    pub(crate) fn no_pages(why: &str) -> Self {
        Self::new(400, "ISB202", "These rows cannot be paged by cursor").details(why)
    }

    pub(crate) fn spread_groups() -> Self {
        Self::new(400, "ISB301", "The rows of a spread embed are its parent's")
            .hint(Some("Say it of the parent, or embed without '...'.".to_owned()))
    }

    pub(crate) fn distinct_groups() -> Self {
        Self::new(400, "ISB300", "Groups cannot be distinct by some of their fields")
            .hint(Some("Group by these fields, or use 'distinct=*'.".to_owned()))
    }

    pub(crate) fn other_version() -> Self {
        Self::new(412, "ISB400", "The rows are not of the version that the request names")
            .hint(Some("Read them again: somebody else may have changed them.".to_owned()))
    }

    pub(crate) fn nested_too_long(bytes_max: usize) -> Self {
        Self::new(413, "ISB501", "The rows of a nested write are too large")
            .details(format!("They may be {bytes_max} bytes long."))
    }

    pub(crate) fn nested_too_deep(levels_max: usize) -> Self {
        Self::new(400, "ISB501", "The rows of a nested write are too large")
            .details(format!("They may be of {levels_max} relations."))
    }

    pub(crate) fn nested_too_varied(statements_max: usize) -> Self {
        Self::new(400, "ISB501", "The rows of a nested write are too large")
            .details(format!("They may take {statements_max} statements."))
            .hint(Some("Rows of one relation that name the same columns take one together.".to_owned()))
    }

    pub(crate) fn nested_several(relation: &str, rows: usize) -> Self {
        Self::new(400, "ISB504", "The rows of a nested update belong to one row")
            .details(format!("The filters find {rows} rows of '{relation}'."))
    }

    pub(crate) fn nested_shape(name: &str) -> Self {
        Self::new(400, "ISB500", "The rows of a nested write are malformed").details(match name {
            "" => "The body must be an object or an array of objects.".to_owned(),
            name => format!(
                "'{name}' must be an object, an array of objects where there may be several, or null."
            ),
        })
    }

    pub(crate) fn nested_computed(name: &str) -> Self {
        Self::new(400, "ISB502", "A nested write needs relationships by foreign keys")
            .details(format!("'{name}' is computed by a function."))
    }

    pub(crate) fn nested_unnamed(relation: &str) -> Self {
        Self::new(400, "ISB502", "The rows of a nested write need a primary key")
            .details(format!("'{relation}' has none."))
    }

    pub(crate) fn nested_lost(relation: &str, sent: usize, written: usize) -> Self {
        Self::new(409, "ISB503", "Rows of a nested write are missing")
            .details(format!("Of {sent} rows for '{relation}', {written} were written."))
            .hint(Some("A trigger or a conflict has left some out, so the others have no owner.".to_owned()))
    }

    /// What a transaction of several statements returns has to be held until it is committed.
    pub fn results_too_long() -> Self {
        Self::new(400, "ISB102", "The results of the transaction are too large")
            .hint(Some("Ask for fewer rows, or write with 'Prefer: return=minimal'.".to_owned()))
    }
}
