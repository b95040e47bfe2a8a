//! ISBxxx: what can be wrong with requests that PostgREST does not have.

use super::Problem;

impl Problem {
    pub(crate) fn malformed_batch(why: &str) -> Self {
        Self::new(400, "ISB100", "The batch is malformed").details(why)
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

    pub(crate) fn distinct_groups() -> Self {
        Self::new(400, "ISB300", "Groups cannot be distinct by some of their fields")
            .hint(Some("Group by these fields, or use 'distinct=*'.".to_owned()))
    }

    pub(crate) fn other_version() -> Self {
        Self::new(412, "ISB400", "The rows are not of the version that the request names")
            .hint(Some("Read them again: somebody else may have changed them.".to_owned()))
    }

    /// The results of a batch have to be held until it is committed.
    pub fn results_too_long() -> Self {
        Self::new(400, "ISB102", "The results of the batch are too large")
            .hint(Some("Ask for fewer rows, or write with 'Prefer: return=minimal'.".to_owned()))
    }
}
