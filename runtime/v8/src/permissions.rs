//! What a function may do through the platform: use the network. Nothing else has an API here, and
//! should an extension ask anyway, it is refused.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

use deno_permissions::UnaryPermission;
use deno_permissions::{
    AllowRunDescriptorParseResult, DenyRunDescriptor, EnvDescriptor, EnvDescriptorParseError, FfiDescriptor,
    ImportDescriptor, NetDescriptor, NetDescriptorParseError, PathQueryDescriptor, PathResolveError,
    PermissionDescriptorParser, Permissions, PermissionsContainer, ReadDescriptor, RunDescriptorParseError,
    RunQueryDescriptor, SpecialFilePathQueryDescriptor, SysDescriptor, SysDescriptorParseError,
    WriteDescriptor,
};

/// The permissions of every isolate.
pub(crate) fn network_only() -> PermissionsContainer {
    let permissions = Permissions { net: UnaryPermission::allow_all(), ..Permissions::none_without_prompt() };
    PermissionsContainer::new(Arc::new(NetworkParser), permissions)
}

/// Understands names of hosts. Paths and programs have no meaning inside a function.
#[derive(Debug)]
struct NetworkParser;

fn no_files() -> PathResolveError {
    PathResolveError::NotFound(io::Error::new(io::ErrorKind::Unsupported, "a function has no file system"))
}

impl PermissionDescriptorParser for NetworkParser {
    fn parse_read_descriptor(&self, _text: &str) -> Result<ReadDescriptor, PathResolveError> {
        Err(no_files())
    }

    fn parse_write_descriptor(&self, _text: &str) -> Result<WriteDescriptor, PathResolveError> {
        Err(no_files())
    }

    fn parse_net_descriptor(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        NetDescriptor::parse_for_list(text)
    }

    fn parse_import_descriptor(&self, text: &str) -> Result<ImportDescriptor, NetDescriptorParseError> {
        ImportDescriptor::parse_for_list(text)
    }

    fn parse_env_descriptor(&self, _text: &str) -> Result<EnvDescriptor, EnvDescriptorParseError> {
        Err(EnvDescriptorParseError)
    }

    fn parse_sys_descriptor(&self, text: &str) -> Result<SysDescriptor, SysDescriptorParseError> {
        Err(SysDescriptorParseError::InvalidKind(text.to_owned()))
    }

    fn parse_allow_run_descriptor(
        &self,
        _text: &str,
    ) -> Result<AllowRunDescriptorParseResult, RunDescriptorParseError> {
        Err(RunDescriptorParseError::EmptyRunQuery)
    }

    fn parse_deny_run_descriptor(&self, _text: &str) -> Result<DenyRunDescriptor, PathResolveError> {
        Err(no_files())
    }

    fn parse_ffi_descriptor(&self, _text: &str) -> Result<FfiDescriptor, PathResolveError> {
        Err(no_files())
    }

    fn parse_path_query<'a>(
        &self,
        _path: Cow<'a, Path>,
    ) -> Result<PathQueryDescriptor<'a>, PathResolveError> {
        Err(no_files())
    }

    fn parse_special_file_descriptor<'a>(
        &self,
        _path: PathQueryDescriptor<'a>,
    ) -> Result<SpecialFilePathQueryDescriptor<'a>, PathResolveError> {
        Err(no_files())
    }

    fn parse_net_query(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        NetDescriptor::parse_for_query(text)
    }

    fn parse_run_query<'a>(
        &self,
        _requested: &'a str,
    ) -> Result<RunQueryDescriptor<'a>, RunDescriptorParseError> {
        Err(RunDescriptorParseError::EmptyRunQuery)
    }
}
