//! Objects as the caller. `../parity.ts` answers the same paths with the same JSON.
//!
//! All take `?bucket=…&name=…` and `?as=service`; what storing takes (`upsert`, `type`, `cache`,
//! `metadata`) copying takes too.

use std::io::Write;
use std::time::Duration;

use isobase_sdk::storage::{
    self, Bucket, Entry, Error, Got, ListOptions, Object, PutOptions, SortColumn, Stored,
};
use isobase_sdk::{Request, Response};
use serde_json::{Value as Json, json};

/// Stores the request's body without touching it.
pub(crate) fn put(mut request: Request) -> Response {
    let body = request.take_body();
    answer(bucket(&request).put_with(&name(&request), body, options(&request)).map(stored))
}

/// Stores `?text=`.
pub(crate) fn put_text(request: &Request) -> Response {
    let text = request.query_value("text").unwrap_or_default();
    answer(bucket(request).put_with(&name(request), text, options(request)).map(stored))
}

/// Writes `?pieces=N` pieces of 64 KiB; with `?abandon` gives up after them.
pub(crate) fn upload(request: &Request) -> Response {
    let pieces = crate::behave::number(request, "pieces", 1);
    let mut upload = bucket(request).upload(&name(request), options(request));
    let piece = vec![b'p'; 64 * 1024];
    for _ in 0..pieces {
        // What went wrong is told by the end.
        if upload.write_all(&piece).is_err() {
            break;
        }
    }
    if request.query_value("abandon").is_some() {
        drop(upload);
        return Response::json(&json!({ "abandoned": true }));
    }
    answer(upload.finish().map(stored))
}

/// The object's bytes, straight from the disk; `?first=…&last=…` for a part.
pub(crate) fn get(request: &Request) -> Response {
    match got(request) {
        Ok(Got { object, size, first, content }) => {
            let head = format!("{first}+{}/{size} {}", content.len(), object.etag);
            Response::stored(content)
                .with_header("content-type", object.content_type)
                .with_header("x-head", head)
        }
        Err(error) => failed(&error),
    }
}

/// The number of bytes and their sum, after reading all of them: piece by piece, or `?whole`.
pub(crate) fn read(request: &Request) -> Response {
    let got = match got(request) {
        Ok(got) => got,
        Err(error) => return failed(&error),
    };
    let (mut length, mut sum) = (0_u64, 0_u64);
    let mut count = |bytes: &[u8]| {
        length += bytes.len() as u64;
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    };
    if request.query_value("whole").is_some() {
        match got.content.read() {
            Ok(bytes) => count(&bytes),
            Err(error) => return failed(&error),
        }
    } else {
        let mut pieces = got.content.into_body();
        while let Ok(Some(bytes)) = pieces.chunk() {
            count(&bytes);
        }
    }
    Response::json(&json!({ "length": length, "sum": sum }))
}

/// Stores another object's bytes under `?to=`, moved within the host.
pub(crate) fn store_again(request: &Request) -> Response {
    let to = request.query_value("to").unwrap_or_default();
    answer(
        got(request).and_then(|got| bucket(request).put_with(&to, got.content, options(request))).map(stored),
    )
}

pub(crate) fn head(request: &Request) -> Response {
    answer(bucket(request).head(&name(request)).map(|found| object(&found)))
}

pub(crate) fn list(request: &Request) -> Response {
    let number = |name, default| crate::behave::number(request, name, default) as u32;
    let options = ListOptions {
        prefix: request.query_value("prefix").unwrap_or_default(),
        recursive: request.query_value("recursive").is_some(),
        limit: number("limit", 100),
        offset: number("offset", 0),
        cursor: request.query_value("cursor"),
        sort: match request.query_value("sort").as_deref() {
            Some("createdAt") => SortColumn::CreatedAt,
            Some("updatedAt") => SortColumn::UpdatedAt,
            Some("lastAccessedAt") => SortColumn::LastAccessedAt,
            _ => SortColumn::Name,
        },
        descending: request.query_value("descending").is_some(),
    };
    let entry = |entry: &Entry| match entry {
        Entry::Folder(name) => json!({ "folder": name }),
        Entry::Object(found) => json!({ "object": object(found) }),
    };
    answer(bucket(request).list(options).map(|page| {
        let entries: Vec<Json> = page.entries.iter().map(entry).collect();
        json!({ "entries": entries, "cursor": page.cursor })
    }))
}

pub(crate) fn copy(request: &Request) -> Response {
    let (to_bucket, to) = target(request);
    let copied = bucket(request).copy(&name(request), (&to_bucket, &to), options(request));
    answer(copied.map(stored))
}

pub(crate) fn rename(request: &Request) -> Response {
    let (to_bucket, to) = target(request);
    answer(bucket(request).move_to(&name(request), (&to_bucket, &to)).map(|()| json!({ "moved": true })))
}

/// Each `name`.
pub(crate) fn remove(request: &Request) -> Response {
    let names = request.query_pairs().filter(|(name, _)| name == "name");
    let names: Vec<String> = names.map(|(_, value)| value.into_owned()).collect();
    answer(bucket(request).remove(&names).map(|removed| removed.iter().map(object).collect::<Json>()))
}

/// Signs for `?seconds=` and reads what the token says.
pub(crate) fn sign(request: &Request) -> Response {
    let seconds = Duration::from_secs(crate::behave::number(request, "seconds", 60));
    let signed = bucket(request).sign(&name(request), seconds).and_then(|url| {
        let (path, _) = url.path.split_once(&url.token).unwrap_or_default();
        let says = storage::verify(&url.token)?;
        Ok(json!({ "path": path, "bucket": says.bucket, "name": says.name }))
    });
    answer(signed)
}

/// What `?token=` opens.
pub(crate) fn verify(request: &Request) -> Response {
    let signed = storage::verify(&request.query_value("token").unwrap_or_default());
    answer(signed.map(|signed| json!({ "bucket": signed.bucket, "name": signed.name })))
}

fn got(request: &Request) -> Result<Got, Error> {
    let bound = |name| request.query_value(name).and_then(|text| text.parse().ok());
    match (bound("first"), bound("last")) {
        (None, None) => bucket(request).get(&name(request)),
        (first, last) => bucket(request).get_range(&name(request), first, last),
    }
}

fn bucket(request: &Request) -> Bucket {
    let bucket = storage::bucket(request.query_value("bucket").unwrap_or_default());
    match request.query_value("as").as_deref() {
        Some("service") => bucket.as_service(),
        _ => bucket,
    }
}

fn name(request: &Request) -> String {
    request.query_value("name").unwrap_or_default()
}

fn target(request: &Request) -> (String, String) {
    let bucket = request.query_value("to_bucket").or_else(|| request.query_value("bucket"));
    (bucket.unwrap_or_default(), request.query_value("to").unwrap_or_default())
}

fn options(request: &Request) -> PutOptions {
    PutOptions {
        upsert: request.query_value("upsert").is_some(),
        content_type: request.query_value("type"),
        cache_control: request.query_value("cache"),
        user_metadata: request.query_value("metadata"),
    }
}

/// Without what differs from call to call.
fn stored(stored: Stored) -> Json {
    let Stored { id, version, size, etag, content_type } = stored;
    json!({
        "id": id.len(), "version": version.len(), "size": size, "etag": etag, "contentType": content_type,
    })
}

fn object(object: &Object) -> Json {
    let metadata: Option<Json> =
        object.user_metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
    json!({
        "id": object.id.len(), "version": object.version.len(), "bucket": object.bucket, "name": object.name,
        "size": object.size, "contentType": object.content_type, "cacheControl": object.cache_control,
        "etag": object.etag, "userMetadata": metadata, "owner": object.owner,
        "createdAt": object.created_at.len(), "updatedAt": object.updated_at.len(),
        "lastAccessedAt": object.last_accessed_at.len(),
    })
}

fn answer(result: Result<Json, Error>) -> Response {
    match result {
        Ok(json) => Response::json(&json),
        Err(error) => failed(&error),
    }
}

fn failed(Error { code, status, message }: &Error) -> Response {
    Response::json(&json!({ "code": code, "status": status, "message": message })).with_status(400)
}
