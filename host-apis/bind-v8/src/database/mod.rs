//! `isobase:host/database`: one operation per function of the interface.

pub(crate) mod convert;
mod error;
mod held;

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{OpState, op2};
use isobase_database::{Door, Statement};

use crate::Callers;
use convert::{
    DocumentValue, DocumentValues, LinesValue, Parameters, Rows, SessionOptions, SnapshotValue, Statements,
    StreamHead, TableValue,
};
pub(crate) use error::QueryError;
pub(crate) use held::Held;

fn door(state: &Rc<RefCell<OpState>>, id: u32) -> Result<Door, QueryError> {
    state.borrow_mut().borrow_mut::<Callers>().door(id)
}

#[op2]
pub(crate) async fn op_isobase_db_query(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] sql: String,
    #[scoped] parameters: Parameters,
    #[scoped] session: SessionOptions,
) -> Result<TableValue, QueryError> {
    let door = door(&state, id)?;
    Ok(TableValue(door.query(&session.0, Statement::new(sql, parameters.0)).await?))
}

#[op2]
pub(crate) async fn op_isobase_db_query_document(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] sql: String,
    #[scoped] parameters: Parameters,
    #[scoped] session: SessionOptions,
) -> Result<DocumentValue, QueryError> {
    let door = door(&state, id)?;
    let document = door.query_document(&session.0, Statement::new(sql, parameters.0)).await?;
    Ok(DocumentValue::read(document).await?)
}

/// The last columns of any number of rows.
#[op2]
pub(crate) async fn op_isobase_db_query_lines(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] sql: String,
    #[scoped] parameters: Parameters,
    #[scoped] session: SessionOptions,
) -> Result<LinesValue, QueryError> {
    let door = door(&state, id)?;
    let lines = door.query_lines(&session.0, Statement::new(sql, parameters.0)).await?;
    Ok(LinesValue::read(lines).await?)
}

/// Several statements in one flush and one transaction.
#[op2]
pub(crate) async fn op_isobase_db_query_documents(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[scoped] statements: Statements,
    #[scoped] session: SessionOptions,
) -> Result<DocumentValues, QueryError> {
    let door = door(&state, id)?;
    Ok(DocumentValues::read(door.query_documents(&session.0, &statements.0).await?).await?)
}

#[op2]
pub(crate) async fn op_isobase_db_stream_open(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] sql: String,
    #[scoped] parameters: Parameters,
    #[scoped] session: SessionOptions,
) -> Result<StreamHead, QueryError> {
    let door = door(&state, id)?;
    let stream = door.stream(&session.0, Statement::new(sql, parameters.0)).await?;
    let columns = stream.columns().to_vec();
    let mut state = state.borrow_mut();
    let handle = state.borrow_mut::<Callers>().caller(id)?.held.keep_stream(stream)?;
    Ok(StreamHead { handle, columns })
}

/// Up to `count` rows; none is the end.
#[op2]
pub(crate) async fn op_isobase_db_stream_next(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[smi] handle: u32,
    count: u32,
) -> Result<Rows, QueryError> {
    let stream = state.borrow_mut().borrow_mut::<Callers>().caller(id)?.held.stream(handle)?;
    let mut stream = stream.borrow_mut().await;
    Ok(Rows(stream.next(count).await?))
}

#[op2(fast)]
pub(crate) fn op_isobase_db_stream_close(state: &mut OpState, #[smi] id: u32, #[smi] handle: u32) {
    // An invocation that is over has closed it already.
    if let Ok(caller) = state.borrow_mut::<Callers>().caller(id) {
        caller.held.close_stream(handle);
    }
}

/// Nothing is sent before the first statement.
#[op2]
#[smi]
pub(crate) fn op_isobase_db_begin(
    state: &mut OpState,
    #[smi] id: u32,
    #[scoped] session: SessionOptions,
) -> Result<u32, QueryError> {
    let callers = state.borrow_mut::<Callers>();
    let transaction = callers.door(id)?.transaction(session.0);
    callers.caller(id)?.held.keep_transaction(transaction)
}

#[op2]
pub(crate) async fn op_isobase_db_transaction_query(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[smi] handle: u32,
    #[string] sql: String,
    #[scoped] parameters: Parameters,
) -> Result<TableValue, QueryError> {
    let transaction = state.borrow_mut().borrow_mut::<Callers>().caller(id)?.held.transaction(handle)?;
    let mut transaction = transaction.borrow_mut().await;
    let open = Option::as_mut(&mut transaction).ok_or_else(QueryError::ended)?;
    Ok(TableValue(open.query(Statement::new(sql, parameters.0)).await?))
}

#[op2]
pub(crate) async fn op_isobase_db_transaction_document(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[smi] handle: u32,
    #[string] sql: String,
    #[scoped] parameters: Parameters,
) -> Result<DocumentValue, QueryError> {
    let transaction = state.borrow_mut().borrow_mut::<Callers>().caller(id)?.held.transaction(handle)?;
    let mut transaction = transaction.borrow_mut().await;
    let open = Option::as_mut(&mut transaction).ok_or_else(QueryError::ended)?;
    Ok(DocumentValue::read(open.query_document(Statement::new(sql, parameters.0)).await?).await?)
}

/// After the statements that are under way. Resolves when Postgres has committed.
#[op2]
pub(crate) async fn op_isobase_db_commit(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[smi] handle: u32,
) -> Result<(), QueryError> {
    let transaction = state.borrow_mut().borrow_mut::<Callers>().caller(id)?.held.end_transaction(handle)?;
    let open = transaction.borrow_mut().await.take().ok_or_else(QueryError::ended)?;
    Ok(open.commit().await?)
}

/// Harmless when the transaction is over.
#[op2]
pub(crate) async fn op_isobase_db_rollback(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[smi] handle: u32,
) -> Result<(), QueryError> {
    let held = state.borrow_mut().borrow_mut::<Callers>().caller(id)?.held.end_transaction(handle);
    let Ok(transaction) = held else { return Ok(()) };
    match transaction.borrow_mut().await.take() {
        Some(open) => Ok(open.rollback().await?),
        None => Ok(()),
    }
}

#[op2(fast)]
#[number]
pub(crate) fn op_isobase_db_generation(
    state: &mut OpState,
    #[smi] id: u32,
    #[string] channel: &str,
) -> Result<u64, QueryError> {
    Ok(state.borrow_mut::<Callers>().door(id)?.generation(channel))
}

#[op2]
pub(crate) async fn op_isobase_db_snapshot(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] channel: String,
    #[string] sql: String,
) -> Result<SnapshotValue, QueryError> {
    let door = door(&state, id)?;
    Ok(SnapshotValue(Some(door.snapshot(&channel, &sql).await?)))
}

#[op2]
pub(crate) async fn op_isobase_db_newer_snapshot(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] channel: String,
    #[string] sql: String,
    #[number] known: u64,
) -> Result<SnapshotValue, QueryError> {
    let door = door(&state, id)?;
    Ok(SnapshotValue(door.newer_snapshot(&channel, &sql, known).await?))
}
