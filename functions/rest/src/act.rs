//! The component: requests from the host, statements to its database, answers back.
//!
//! An instance serves many requests one after another and keeps the decoded catalog between them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use isobase_sdk::database::{
    self, Document, Error, Exhaustion, Parameter, Session, Table, Transaction, Value,
};
use isobase_sdk::{Body, Method, Request, Response, caller, handler};

use crate::catalog::{Catalog, catalog_sql};
use crate::problem::{Problem, SqlFault};
use crate::request::Incoming;
use crate::respond::{Answer, AnswerBody, HeadValue};
use crate::serve::{End, Host, HostError, Ran, Step, Steps, Work, serve};
use crate::settings::Settings;
use crate::sql::{Bound, Statement};

/// Notified by the database when its structure changes, as PostgREST listens to it.
const CHANNEL: &str = "pgrst";

handler!(answer);

/// What outlives a request.
struct Memory {
    settings: Rc<Settings>,
    catalog_sql: String,
    /// With the generation of [`CHANNEL`] it was read at.
    catalog: Option<(u64, Rc<Catalog>)>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::from_environment());
}

impl Memory {
    fn from_environment() -> Self {
        let settings = Settings::from_environment(|name| std::env::var(name).ok());
        Self { catalog_sql: catalog_sql(&settings), settings: Rc::new(settings), catalog: None }
    }

    /// The catalog as of now. While the host reads a newer one, the one at hand serves on.
    fn catalog(&mut self) -> Result<Rc<Catalog>, Problem> {
        let generation = database::generation(CHANNEL);
        let snapshot = match &self.catalog {
            Some((known, catalog)) if *known == generation => return Ok(catalog.clone()),
            Some((known, catalog)) => match database::newer_snapshot(CHANNEL, &self.catalog_sql, *known) {
                Ok(Some(newer)) => newer,
                // Still being read, or it cannot be read now.
                Ok(None) | Err(_) => return Ok(catalog.clone()),
            },
            None => database::snapshot(CHANNEL, &self.catalog_sql).map_err(|_| Problem::no_catalog())?,
        };
        let catalog = Rc::new(Catalog::decode(snapshot.text).map_err(|_| Problem::no_catalog())?);
        // What the database holds counts more than the environment.
        let setting =
            |name: &str| catalog.setting(name).map(str::to_owned).or_else(|| std::env::var(name).ok());
        self.settings = Rc::new(Settings::from_environment(setting));
        self.catalog = Some((snapshot.generation, catalog.clone()));
        Ok(catalog)
    }
}

fn answer(mut request: Request) -> Response {
    let has_body = matches!(request.method(), Method::Post | Method::Put | Method::Patch);
    let mut guest =
        Guest { body: has_body.then(|| request.take_body()), role: None, document: None, steps: None };
    let method = request.method().to_string();
    let incoming = Incoming {
        method: &method,
        path: request.path(),
        query: request.query(),
        headers: request.headers(),
    };
    let known =
        MEMORY.with_borrow_mut(|memory| memory.catalog().map(|catalog| (memory.settings.clone(), catalog)));
    let answer = match known {
        Ok((settings, catalog)) => serve(&incoming, &catalog, &settings, &mut guest),
        Err(problem) => Answer::from(problem),
    };
    let response = match (answer.body, guest.document) {
        (AnswerBody::Empty, _) | (AnswerBody::Document, None) => Response::new(answer.status),
        (AnswerBody::Text(text), _) => Response::bytes(text).with_status(answer.status),
        (AnswerBody::Document, Some(body)) => Response::document(body).with_status(answer.status),
    };
    answer.headers.into_iter().fold(response, |response, (name, value)| response.with_header(name, value))
}

/// The host behind one request.
struct Guest {
    body: Option<Body>,
    role: Option<String>,
    document: Option<database::Body>,
    /// The transaction of a batch.
    steps: Option<Transaction>,
}

impl Guest {
    fn parameters(&mut self, bound: Vec<Bound<'_>>) -> Vec<Parameter> {
        bound
            .into_iter()
            .map(|value| match value {
                Bound::Text(text) => Parameter::Text(text.into_owned()),
                Bound::Bytes(bytes) => Parameter::Bytes(bytes.to_vec()),
                Bound::Body => self.body.take().map_or(Parameter::Null, Parameter::from),
            })
            .collect()
    }

    fn keep(&mut self, document: Document) -> Vec<HeadValue> {
        self.document = document.body;
        document.head.into_iter().map(head_value).collect()
    }

    /// All that belongs to the request in one transaction and one flush.
    fn run_together(&mut self, session: &Session, work: Work<'_>) -> Result<Ran, HostError> {
        let estimated = work.estimate.is_some();
        let main = usize::from(work.before.is_some());
        let before = work.before.map(|sql| (sql, Vec::new()));
        let others = std::iter::once(work.statement).chain(work.estimate);
        let others = others.map(|statement| (statement.sql, self.parameters(statement.parameters)));
        let statements = before.into_iter().chain(others).collect::<Vec<_>>();
        let mut documents = session.query_documents(statements).map_err(failed)?;
        let explanation = match documents.pop_if(|_| estimated).and_then(|document| document.body) {
            Some(body) => Some(String::from_utf8_lossy(&body.read()).into_owned()),
            None => None,
        };
        if documents.len() <= main {
            return Err(HostError::Problem(Problem::internal("A statement of one row returned none.")));
        }
        Ok(Ran { head: self.keep(documents.swap_remove(main)), explanation, rows: None })
    }

    /// What is undone in the end: the host rolls back, and the answer does not wait for it, since nobody will
    /// ever see what there was.
    fn run_undone(&mut self, session: &Session, mut work: Work<'_>) -> Result<Ran, HostError> {
        let transaction = session.begin();
        if let Some(before) = work.before {
            transaction.query(before, ()).map_err(failed)?;
        }
        let parameters = self.parameters(work.statement.parameters);
        let document = transaction.query_document(work.statement.sql, parameters).map_err(failed)?;
        let head = self.keep(document);
        let explanation = match work.estimate.take() {
            Some(estimate) => {
                let parameters = self.parameters(estimate.parameters);
                let table = transaction.query(estimate.sql, parameters).map_err(failed)?;
                Some(first_text(&table)?)
            }
            None => None,
        };
        drop(transaction);
        Ok(Ran { head, explanation, rows: None })
    }
}

impl Host for Guest {
    fn read_body(&mut self) -> Result<Vec<u8>, Problem> {
        match self.body.take() {
            Some(body) => body.read_all().map_err(|error| Problem::broken_body(&error.to_string())),
            None => Ok(Vec::new()),
        }
    }

    fn run(&mut self, work: Work<'_>) -> Result<Ran, HostError> {
        let session = session(&work);
        if work.rolls_back {
            return self.run_undone(&session, work);
        }
        if work.before.is_some() || work.estimate.is_some() {
            return self.run_together(&session, work);
        }
        let parameters = self.parameters(work.statement.parameters);
        if work.as_lines {
            let lines = session.query_lines(work.statement.sql, parameters).map_err(failed)?;
            let rows = lines.rows.and_then(|rows| i64::try_from(rows).ok());
            let head = self.keep(Document { head: lines.head, body: lines.body });
            return Ok(Ran { head, explanation: None, rows });
        }
        let document = session.query_document(work.statement.sql, parameters).map_err(failed)?;
        Ok(Ran { head: self.keep(document), explanation: None, rows: None })
    }

    fn read_text(&mut self, work: Work<'_>) -> Result<String, HostError> {
        let session = session(&work);
        let parameters = self.parameters(work.statement.parameters);
        first_text(&session.query(work.statement.sql, parameters).map_err(failed)?)
    }

    fn explain(&mut self, work: Work<'_>) -> Result<Vec<String>, HostError> {
        let session = session(&work);
        let parameters = self.parameters(work.statement.parameters);
        if work.before.is_none() && !work.rolls_back {
            return session.query(work.statement.sql, parameters).map_err(failed).map(lines);
        }
        let transaction = session.begin();
        if let Some(before) = work.before {
            transaction.query(before, ()).map_err(failed)?;
        }
        let table = transaction.query(work.statement.sql, parameters).map_err(failed)?;
        let ended = if work.rolls_back { transaction.rollback() } else { transaction.commit() };
        ended.map_err(failed).map(|_| lines(table))
    }

    fn role(&mut self) -> Cow<'_, str> {
        Cow::Borrowed(self.role.get_or_insert_with(|| caller::current().role))
    }
}

impl Steps for Guest {
    fn begin(&mut self, settings: &[(String, String)], read_only: bool) -> Result<(), HostError> {
        self.steps = Some(session_with(settings, read_only).begin());
        Ok(())
    }

    fn step(&mut self, statement: Statement<'_>, bytes_max: usize) -> Result<Step, HostError> {
        let parameters = self.parameters(statement.parameters);
        let transaction = self.steps.as_ref().ok_or_else(no_transaction)?;
        let document = transaction.query_document(statement.sql, parameters).map_err(failed)?;
        let text = match document.body {
            Some(body) if body.len() > bytes_max as u64 => {
                return Err(HostError::Problem(Problem::results_too_long()));
            }
            Some(body) => Some(String::from_utf8_lossy(&body.read()).into_owned()),
            None => None,
        };
        Ok(Step { head: document.head.into_iter().map(head_value).collect(), document: text })
    }

    fn end(&mut self, end: End) -> Result<(), HostError> {
        let transaction = self.steps.take().ok_or_else(no_transaction)?;
        match end {
            End::Commit => transaction.commit(),
            End::Rollback => transaction.rollback(),
        }
        .map_err(failed)
    }
}

fn no_transaction() -> HostError {
    HostError::Problem(Problem::internal("A step was taken outside of a transaction."))
}

fn first_text(table: &Table) -> Result<String, HostError> {
    let text = table.first().and_then(|row| row.get::<String>(0).ok());
    text.ok_or_else(|| HostError::Problem(Problem::internal("A statement of one text returned none.")))
}

/// The texts of the first column.
fn lines(table: Table) -> Vec<String> {
    table.rows().filter_map(|row| row.get::<String>(0).ok()).collect()
}

fn session(work: &Work<'_>) -> Session {
    session_with(work.settings, work.read_only)
}

fn session_with(settings: &[(String, String)], read_only: bool) -> Session {
    let session = Session::caller();
    let session = if read_only { session.read_only() } else { session };
    settings.iter().fold(session, |session, (name, value)| session.setting(name.as_str(), value.as_str()))
}

fn head_value(value: Value) -> HeadValue {
    match value {
        Value::Null => HeadValue::Null,
        Value::Boolean(value) => HeadValue::Integer(value.into()),
        Value::Int32(value) => HeadValue::Integer(value.into()),
        Value::Int64(value) => HeadValue::Integer(value),
        Value::Float64(value) => HeadValue::Text(value.to_string()),
        Value::Text(text) | Value::Json(text) => HeadValue::Text(text),
        Value::Bytes(bytes) => HeadValue::Text(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn failed(error: Error) -> HostError {
    HostError::Problem(match error {
        Error::Sql(fault) => {
            return HostError::Sql(SqlFault {
                sqlstate: fault.sqlstate,
                message: fault.message,
                detail: fault.detail,
                hint: fault.hint,
            });
        }
        Error::Exhausted(Exhaustion::WaitOver) => Problem::pool_timeout(),
        Error::Exhausted(Exhaustion::QueueFull) => Problem::pool_full(),
        Error::Unavailable(_) => Problem::database_unavailable(),
        Error::TimedOut => Problem::timed_out(),
        Error::Body(why) => Problem::broken_body(&why),
        Error::Refused(why) | Error::Column(why) => Problem::refused(&why),
    })
}
