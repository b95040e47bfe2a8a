//! The host as an item of a batch sees it: inside the transaction of all.

use std::borrow::Cow;

use crate::problem::Problem;
use crate::respond::Head;
use crate::serve::{End, Host, HostError, Ran, Step, Steps, Work};
use crate::sql::{Bound, Statement};

pub(super) struct Within<'w, H> {
    host: &'w mut H,
    body: Cow<'w, str>,
    bytes_max: usize,
    chosen: &'w mut Head,
    /// The last column of the statement that ran.
    pub(super) document: Option<String>,
}

impl<'w, H: Host + Steps> Within<'w, H> {
    pub(super) fn new(host: &'w mut H, body: Cow<'w, str>, bytes_max: usize, chosen: &'w mut Head) -> Self {
        Self { host, body, bytes_max, chosen, document: None }
    }

    fn step(&mut self, statement: Statement<'_>) -> Result<Step, HostError> {
        let parameters = statement
            .parameters
            .into_iter()
            .map(|bound| match bound {
                // The request's own body is the whole batch.
                Bound::Body => Bound::Text(Cow::Borrowed(self.body.as_ref())),
                other => other,
            })
            .collect();
        self.host.step(Statement { sql: statement.sql, parameters }, self.bytes_max)
    }
}

impl<H: Host + Steps> Host for Within<'_, H> {
    fn read_body(&mut self) -> Result<Vec<u8>, Problem> {
        Ok(self.body.as_bytes().to_vec())
    }

    /// The settings of `work` are the batch's, set when it began.
    fn run(&mut self, work: Work<'_>) -> Result<Ran, HostError> {
        let Step { head, document } = self.step(work.statement)?;
        self.document = document;
        let explanation = match work.estimate {
            Some(estimate) => self.step(estimate)?.document,
            None => None,
        };
        Ok(Ran { head, explanation, rows: None })
    }

    /// All results are one text.
    fn takes_lines(&self) -> bool {
        false
    }

    fn read_text(&mut self, work: Work<'_>) -> Result<String, HostError> {
        let step = self.step(work.statement)?;
        step.document
            .ok_or_else(|| HostError::Problem(Problem::internal("A statement of one text returned none.")))
    }

    fn explain(&mut self, _: Work<'_>) -> Result<Vec<String>, HostError> {
        let why = "an item is answered with rows, not with how they would be found";
        Err(HostError::Problem(Problem::malformed_batch(why)))
    }

    fn role(&mut self) -> Cow<'_, str> {
        self.host.role()
    }

    /// Statements of one transaction see what earlier ones chose, so it counts once, for the whole.
    fn chosen(&mut self, head: &mut Head) {
        self.chosen.headers = head.headers.take();
        self.chosen.status = head.status.take();
    }
}

/// An item that takes several steps takes them in the transaction of all, which goes on after it.
impl<H: Host + Steps> Steps for Within<'_, H> {
    fn begin(&mut self, _: &[(String, String)], _: bool) -> Result<(), HostError> {
        Ok(())
    }

    fn step(&mut self, statement: Statement<'_>, bytes_max: usize) -> Result<Step, HostError> {
        self.host.step(statement, bytes_max.min(self.bytes_max))
    }

    fn end(&mut self, _: End) -> Result<(), HostError> {
        Ok(())
    }
}
