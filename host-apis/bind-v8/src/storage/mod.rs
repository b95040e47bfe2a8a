//! `isobase:host/storage`: one operation per function of the interface.

mod content;
mod error;
mod incoming;
mod words;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use deno_core::{JsBuffer, OpState, ResourceId, op2};
use isobase_base::Body;
use isobase_storage::{Code, Door, Error, GetOptions};

use crate::Callers;
pub(crate) use content::OpenContents;
pub(crate) use error::StorageError;
use words::{Entries, Found, Got, ListOptions, Place, PutOptions, SignedUrl, Stored, Verified, identity};

fn door(state: &Rc<RefCell<OpState>>, id: u32) -> Result<Door, StorageError> {
    state.borrow_mut().borrow_mut::<Callers>().storage(id)
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_put_bytes(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] bucket: String,
    #[string] name: String,
    #[buffer] bytes: JsBuffer,
    #[serde] options: PutOptions,
) -> Result<Stored, StorageError> {
    let door = door(&state, id)?;
    let body = Body::from(Bytes::copy_from_slice(&bytes));
    Ok(door.put(&bucket, &name, body, options.into_host()?).await?.into())
}

/// What the resource `rid` yields, read as fast as the disk takes it.
#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_put_stream(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] bucket: String,
    #[string] name: String,
    #[smi] rid: ResourceId,
    auto_close: bool,
    #[serde] options: PutOptions,
) -> Result<Stored, StorageError> {
    let door = door(&state, id)?;
    let resource = {
        let mut state = state.borrow_mut();
        let table = &mut state.resource_table;
        let found = if auto_close { table.take_any(rid) } else { table.get_any(rid) };
        found.map_err(|error| Error::new(Code::InvalidRequest, error.to_string()))?
    };
    let (body, pump) = incoming::body_of(resource);
    let (stored, ()) = tokio::join!(door.put(&bucket, &name, body, options.into_host()?), pump);
    Ok(stored?.into())
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_get(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] as_whom: String,
    #[string] bucket: String,
    #[string] name: String,
    #[serde] range: Option<words::Range>,
) -> Result<Got, StorageError> {
    let door = door(&state, id)?;
    let options = GetOptions { identity: identity(&as_whom)?, range: range.map(words::Range::into_host) };
    let content = door.get(&bucket, &name, options).await?;
    let mut state = state.borrow_mut();
    let open = state.borrow_mut::<Callers>().contents(id)?.open(content.body)?;
    let rid = state.resource_table.add_rc(open);
    Ok(Got {
        object: content.object.into(),
        size: content.size,
        first: content.first,
        length: content.length,
        rid,
    })
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_head(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] as_whom: String,
    #[string] bucket: String,
    #[string] name: String,
) -> Result<Found, StorageError> {
    let door = door(&state, id)?;
    Ok(door.head(&bucket, &name, identity(&as_whom)?).await?.into())
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_list(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] bucket: String,
    #[serde] options: ListOptions,
) -> Result<Entries, StorageError> {
    let door = door(&state, id)?;
    Ok(door.list(&bucket, &options.into_host()?).await?.into())
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_copy(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[serde] source: Place,
    #[serde] target: Place,
    #[serde] options: PutOptions,
) -> Result<Stored, StorageError> {
    let door = door(&state, id)?;
    Ok(door.copy(source.names(), target.names(), options.into_copy()?).await?.into())
}

#[op2]
pub(crate) async fn op_isobase_storage_move(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] as_whom: String,
    #[serde] source: Place,
    #[serde] target: Place,
) -> Result<(), StorageError> {
    let door = door(&state, id)?;
    Ok(door.rename(source.names(), target.names(), identity(&as_whom)?).await?)
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_remove(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] as_whom: String,
    #[string] bucket: String,
    #[serde] names: Vec<String>,
) -> Result<Vec<Found>, StorageError> {
    let door = door(&state, id)?;
    let removed = door.delete(&bucket, &names, identity(&as_whom)?).await?;
    Ok(removed.into_iter().map(Found::from).collect())
}

#[op2]
#[serde]
pub(crate) async fn op_isobase_storage_sign(
    state: Rc<RefCell<OpState>>,
    #[smi] id: u32,
    #[string] as_whom: String,
    #[string] bucket: String,
    #[string] name: String,
    expires_in: u32,
) -> Result<SignedUrl, StorageError> {
    let door = door(&state, id)?;
    let valid_for = Duration::from_secs(expires_in.into());
    Ok(door.sign(&bucket, &name, valid_for, identity(&as_whom)?).await?.into())
}

#[op2]
#[serde]
pub(crate) fn op_isobase_storage_verify(
    state: &mut OpState,
    #[smi] id: u32,
    #[string] token: &str,
) -> Result<Verified, StorageError> {
    Ok(state.borrow_mut::<Callers>().storage(id)?.verify(token)?.into())
}
