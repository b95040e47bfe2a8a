//! A host made of one database connection.

use std::borrow::Cow;
use std::error::Error as StdError;

use isobase_rest::{
    Answer, AnswerBody, Bound, End, HeadValue, Host, HostError, Problem, Ran, SqlFault, Statement, Step,
    Steps, Work,
};
use tokio::runtime::Runtime;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Row};

use crate::cluster::Cluster;
use crate::scenario::Given;

/// The connection, and what drives it.
pub(crate) struct Bench {
    runtime: Runtime,
    client: Client,
    /// The SQL of all requests so far.
    pub(crate) statements: Vec<String>,
}

impl Bench {
    pub(crate) fn connect(cluster: &mut Cluster) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let url = cluster.url();
        let client = cluster.when_ready(|| {
            let (client, connection) = runtime.block_on(tokio_postgres::connect(&url, NoTls)).ok()?;
            drop(runtime.handle().spawn(connection));
            Some(client)
        });
        Self { runtime, client, statements: Vec::new() }
    }

    pub(crate) fn batch(&mut self, sql: &str) {
        self.try_batch(sql).expect("the script runs");
    }

    fn try_batch(&mut self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    pub(crate) fn first_text(&mut self, sql: &str) -> String {
        self.runtime.block_on(self.client.query_one(sql, &[])).expect("one row").get(0)
    }

    fn row(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, tokio_postgres::Error> {
        self.runtime.block_on(self.client.query_one(sql, parameters))
    }

    fn rows(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.runtime.block_on(self.client.query(sql, parameters))
    }
}

/// The host of one request.
pub(crate) struct Session<'b> {
    bench: &'b mut Bench,
    role: &'b str,
    claims: &'b str,
    body: &'b [u8],
    document: Option<Vec<u8>>,
    /// Whatever the request asks for, it leaves no trace.
    pub(crate) rolls_back: bool,
}

impl<'b> Session<'b> {
    pub(crate) fn new(bench: &'b mut Bench, role: &'b str, claims: &'b str, body: &'b [u8]) -> Self {
        Self { bench, role, claims, body, document: None, rolls_back: false }
    }

    /// The body that the statement returned.
    pub(crate) fn into_document(self) -> Option<Vec<u8>> {
        self.document
    }

    pub(crate) fn given(self, answer: Answer) -> Given {
        let body = match answer.body {
            AnswerBody::Empty => String::new(),
            AnswerBody::Text(text) => text,
            AnswerBody::Document => {
                String::from_utf8(self.document.unwrap_or_default()).expect("scenarios know texts only")
            }
        };
        Given { status: answer.status, headers: answer.headers, body }
    }

    fn open_with(&mut self, settings: &[(String, String)], read_only: bool) -> Result<(), HostError> {
        let is_isolation = |name: &str| name.ends_with("transaction_isolation");
        let level = settings.iter().find(|(name, _)| is_isolation(name)).map(|(_, level)| level.as_str());
        let level = level.map_or_else(String::new, |level| format!(" isolation level {level}"));
        self.bench.batch(&format!("begin{level}{}", if read_only { " read only" } else { "" }));
        let host = [("role", self.role), ("request.jwt.claims", self.claims)];
        let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in settings.filter(|(name, _)| !is_isolation(name)).chain(host) {
            self.statement_row("select set_config($1, $2, true)", &[&name, &value])?;
        }
        Ok(())
    }

    fn open(&mut self, work: &Work<'_>) -> Result<(), HostError> {
        self.open_with(work.settings, work.read_only)?;
        if let Some(before) = &work.before {
            self.statement_row(before, &[])?;
        }
        Ok(())
    }

    fn row(&mut self, statement: &Statement<'_>) -> Result<Row, HostError> {
        let parameters = self.parameters(statement);
        let parameters = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
        self.statement_row(&statement.sql, &parameters)
    }

    fn parameters(&self, statement: &Statement<'_>) -> Vec<Untyped> {
        statement
            .parameters
            .iter()
            .map(|bound| match bound {
                Bound::Text(text) => Untyped(text.as_bytes().to_vec(), Format::Text),
                Bound::Body => Untyped(self.body.to_vec(), Format::Text),
                Bound::Bytes(bytes) => Untyped(bytes.to_vec(), Format::Binary),
            })
            .collect()
    }

    fn statement_row(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, HostError> {
        self.bench.row(sql, parameters).map_err(|error| failed(&error, sql))
    }

    fn run_open(&mut self, work: &Work<'_>) -> Result<Ran, HostError> {
        self.bench.statements.push(work.statement.sql.clone());
        self.open(work)?;
        if work.as_lines {
            return self.lines(&work.statement);
        }
        let row = self.row(&work.statement)?;
        let last = row.len() - 1;
        let head = (0..last).map(|index| head_value(&row, index)).collect::<Vec<_>>();
        self.document = row.get::<_, Option<Raw>>(last).map(|raw| raw.0);
        let explanation = match &work.estimate {
            Some(estimate) => Some(self.row(estimate)?.get::<_, Raw>(0).text()),
            None => None,
        };
        Ok(Ran { head, explanation, rows: None })
    }

    fn lines(&mut self, statement: &Statement<'_>) -> Result<Ran, HostError> {
        let parameters = self.parameters(statement);
        let parameters = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
        let rows = self.bench.rows(&statement.sql, &parameters);
        let rows = rows.map_err(|error| failed(&error, &statement.sql))?;
        let last = |row: &Row| row.get::<_, Option<Raw>>(row.len() - 1).map_or_else(Vec::new, |raw| raw.0);
        self.document = Some(rows.iter().flat_map(last).collect());
        let head_of = |row: &Row| (0..row.len() - 1).map(|index| head_value(row, index)).collect();
        let head = rows.first().map_or_else(Vec::new, head_of);
        Ok(Ran { head, explanation: None, rows: i64::try_from(rows.len()).ok() })
    }
}

impl Host for Session<'_> {
    fn read_body(&mut self) -> Result<Vec<u8>, Problem> {
        Ok(self.body.to_vec())
    }

    fn run(&mut self, work: Work<'_>) -> Result<Ran, HostError> {
        let ran = self.run_open(&work);
        if ran.is_err() {
            self.bench.batch("rollback");
            return ran;
        }
        // What waits for a commit would be lost in a rollback otherwise.
        let rolls_back = self.rolls_back || work.rolls_back;
        let end = if rolls_back { "set constraints all immediate" } else { "commit" };
        let ended = self.bench.try_batch(end).map_err(|error| failed(&error, end));
        if rolls_back {
            self.bench.batch("rollback");
        }
        ended.and(ran)
    }

    fn read_text(&mut self, work: Work<'_>) -> Result<String, HostError> {
        let text =
            self.open(&work).and_then(|()| self.row(&work.statement)).map(|row| row.get::<_, Raw>(0).text());
        self.bench.batch("rollback");
        text
    }

    fn explain(&mut self, work: Work<'_>) -> Result<Vec<String>, HostError> {
        let parameters = self.parameters(&work.statement);
        let parameters = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
        let sql = &work.statement.sql;
        let rows = self
            .open(&work)
            .and_then(|()| self.bench.rows(sql, &parameters).map_err(|error| failed(&error, sql)));
        let rolls_back = self.rolls_back || work.rolls_back || rows.is_err();
        self.bench.batch(if rolls_back { "rollback" } else { "commit" });
        Ok(rows?.iter().map(|row| row.get::<_, Raw>(0).text()).collect())
    }

    fn role(&mut self) -> Cow<'_, str> {
        Cow::Borrowed(self.role)
    }
}

impl Steps for Session<'_> {
    fn begin(&mut self, settings: &[(String, String)], read_only: bool) -> Result<(), HostError> {
        let opened = self.open_with(settings, read_only);
        if opened.is_err() {
            self.bench.batch("rollback");
        }
        opened
    }

    fn step(&mut self, statement: Statement<'_>, bytes_max: usize) -> Result<Step, HostError> {
        let row = self.row(&statement)?;
        let last = row.len() - 1;
        let head = (0..last).map(|index| head_value(&row, index)).collect();
        let document = row.get::<_, Option<Raw>>(last).map(Raw::text);
        if document.as_ref().is_some_and(|text| text.len() > bytes_max) {
            return Err(HostError::Problem(Problem::results_too_long()));
        }
        Ok(Step { head, document })
    }

    fn end(&mut self, end: End) -> Result<(), HostError> {
        let sql = match end {
            End::Commit => "commit",
            End::Rollback => "rollback",
        };
        self.bench.try_batch(sql).map_err(|error| failed(&error, sql))
    }
}

fn failed(error: &tokio_postgres::Error, sql: &str) -> HostError {
    match error.as_db_error() {
        Some(fault) => HostError::Sql(SqlFault {
            sqlstate: fault.code().code().to_owned(),
            message: fault.message().to_owned(),
            detail: fault.detail().map(str::to_owned),
            hint: fault.hint().map(str::to_owned),
        }),
        None => HostError::Problem(Problem::refused(&format!("{error:?} in {sql}"))),
    }
}

fn head_value(row: &Row, index: usize) -> HeadValue {
    match *row.columns()[index].type_() {
        Type::INT8 => row.get::<_, Option<i64>>(index).map_or(HeadValue::Null, HeadValue::Integer),
        _ => row.get::<_, Option<String>>(index).map_or(HeadValue::Null, HeadValue::Text),
    }
}

/// A value in the form it is sent, whatever type the server infers.
#[derive(Debug)]
struct Untyped(Vec<u8>, Format);

impl ToSql for Untyped {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        self.1
    }

    to_sql_checked!();
}

/// JSON, text or bytes, as a host sends them.
struct Raw(Vec<u8>);

impl Raw {
    fn text(self) -> String {
        String::from_utf8(self.0).expect("Postgres sends UTF-8")
    }
}

impl<'r> FromSql<'r> for Raw {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        // In binary format jsonb has its version before its text.
        Ok(Self(raw[usize::from(*kind == Type::JSONB)..].to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
