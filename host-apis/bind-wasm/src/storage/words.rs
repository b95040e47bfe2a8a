//! Between the words of the contract and those of the host API, which mirror each other.

use isobase_database::Identity;
use isobase_storage as host;

use crate::bindings::storage as wit;

pub(super) fn identity(identity: wit::Identity) -> Identity {
    match identity {
        wit::Identity::Caller => Identity::Caller,
        wit::Identity::Service => Identity::Service,
    }
}

pub(super) fn put_options(options: wit::PutOptions) -> host::PutOptions {
    host::PutOptions {
        identity: identity(options.identity),
        upsert: options.upsert,
        content_type: options.content_type,
        cache_control: options.cache_control,
        user_metadata: options.user_metadata,
    }
}

pub(super) fn copy_options(options: wit::PutOptions) -> host::CopyOptions {
    host::CopyOptions {
        identity: identity(options.identity),
        upsert: options.upsert,
        content_type: options.content_type,
        cache_control: options.cache_control,
        user_metadata: options.user_metadata,
    }
}

pub(super) fn range(range: wit::ByteRange) -> host::ByteRange {
    host::ByteRange { first: range.first, last: range.last }
}

pub(super) fn list_options(options: wit::ListOptions) -> host::ListOptions {
    host::ListOptions {
        identity: identity(options.identity),
        prefix: options.prefix,
        recursive: options.recursive,
        limit: options.limit,
        offset: options.offset,
        cursor: options.cursor,
        sort: match options.sort {
            wit::SortColumn::Name => host::SortColumn::Name,
            wit::SortColumn::CreatedAt => host::SortColumn::CreatedAt,
            wit::SortColumn::UpdatedAt => host::SortColumn::UpdatedAt,
            wit::SortColumn::LastAccessedAt => host::SortColumn::LastAccessedAt,
        },
        order: if options.descending { host::Order::Descending } else { host::Order::Ascending },
    }
}

pub(super) fn page(page: host::Page) -> wit::Page {
    let entry = |entry| match entry {
        host::Entry::Folder(name) => wit::Entry::Folder(name),
        host::Entry::Object(found) => wit::Entry::Object(object(*found)),
    };
    wit::Page { entries: page.entries.into_iter().map(entry).collect(), cursor: page.cursor }
}

pub(super) fn object(object: host::Object) -> wit::Object {
    wit::Object {
        id: object.id,
        bucket: object.bucket,
        name: object.name,
        version: object.version,
        size: object.size,
        content_type: object.content_type,
        cache_control: object.cache_control,
        etag: object.etag,
        user_metadata: object.user_metadata,
        owner: object.owner,
        created_at: object.created_at,
        updated_at: object.updated_at,
        last_accessed_at: object.last_accessed_at,
    }
}

pub(super) fn stored(stored: host::Stored) -> wit::Stored {
    let host::Stored { id, version, size, etag, content_type } = stored;
    wit::Stored { id, version, size, etag, content_type }
}

pub(super) fn error(error: host::Error) -> wit::Error {
    wit::Error { code: error.code.as_str().to_owned(), status: error.code.status(), message: error.message }
}
