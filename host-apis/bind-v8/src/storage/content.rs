//! A stored object that a script reads, as the resource behind a ReadableStream.

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use deno_core::{AsyncRefCell, AsyncResult, BufView, CancelHandle, CancelTryFuture, RcRef, Resource};
use deno_error::JsErrorBox;
use isobase_base::limits::STORAGE_HELD_PER_REQUEST_MAX;
use isobase_base::{Body, BodyError};
use isobase_storage::{Code, Error};

use super::StorageError;

/// What one invocation reads. When it is over, so is the reading, and the files are closed.
#[derive(Default)]
pub(crate) struct OpenContents(Vec<Rc<OpenContent>>);

pub(crate) struct OpenContent {
    body: AsyncRefCell<Option<Body>>,
    /// What was left of a chunk that was longer than the reader's buffer.
    rest: RefCell<Bytes>,
    cancel: CancelHandle,
}

impl OpenContents {
    pub(super) fn open(&mut self, body: Body) -> Result<Rc<OpenContent>, StorageError> {
        // Those that nobody but this list knows were read or thrown away.
        self.0.retain(|content| Rc::strong_count(content) > 1);
        if self.0.len() >= STORAGE_HELD_PER_REQUEST_MAX {
            let why = "too many stored objects are open in this request";
            return Err(Error::new(Code::SlowDown, why).into());
        }
        let content = Rc::new(OpenContent {
            body: AsyncRefCell::new(Some(body)),
            rest: RefCell::default(),
            cancel: CancelHandle::default(),
        });
        self.0.push(Rc::clone(&content));
        Ok(content)
    }
}

impl Drop for OpenContents {
    fn drop(&mut self) {
        for content in self.0.drain(..) {
            content.end();
        }
    }
}

impl OpenContent {
    /// Closes the file, at once or when the read under way was cancelled.
    fn end(self: &Rc<Self>) {
        self.cancel.cancel();
        if let Some(mut body) = RcRef::map(self, |this| &this.body).try_borrow_mut() {
            *body = None;
        }
    }

    /// Up to `limit` bytes; none at the end.
    async fn chunk(self: Rc<Self>, limit: usize) -> Result<BufView, JsErrorBox> {
        let mut body = RcRef::map(&self, |this| &this.body).borrow_mut().await;
        let mut chunk = self.rest.take();
        while chunk.is_empty() {
            let Some(open) = &mut *body else { break };
            match next_data(open).await {
                Some(Ok(data)) => chunk = data,
                Some(Err(error)) => return Err(JsErrorBox::generic(error.to_string())),
                None => *body = None,
            }
        }
        *self.rest.borrow_mut() = chunk.split_off(chunk.len().min(limit));
        Ok(BufView::from(chunk))
    }
}

async fn next_data(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    use http_body::Body as _;
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

impl Resource for OpenContent {
    fn name(&self) -> Cow<'_, str> {
        "storedObject".into()
    }

    fn read(self: Rc<Self>, limit: usize) -> AsyncResult<BufView> {
        Box::pin(async move {
            let cancel = RcRef::map(&self, |this| &this.cancel);
            self.clone().chunk(limit).try_or_cancel(cancel).await
        })
    }

    fn cancel_read_ops(self: Rc<Self>) {
        self.cancel.cancel();
    }

    fn close(self: Rc<Self>) {
        self.end();
    }
}
