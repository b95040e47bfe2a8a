//! `CompressionStream` and `DecompressionStream`: in place of the platform's operations, which take whatever
//! memory the content asks for, and a few bytes may ask for gigabytes.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use brotli::enc::BrotliEncoderParams;
use brotli::{CompressorWriter, DecompressorWriter};
use deno_core::convert::Uint8Array;
use deno_core::{Extension, GarbageCollected, OpState, op2, v8};
use deno_error::JsErrorBox;
use flate2::Compression;
use flate2::write::{DeflateDecoder, DeflateEncoder, GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder};

use super::native;
use crate::invocation::Invocations;
use crate::memory::MemoryMeter;
use crate::node::replace_operations;

/// What a stream keeps beside its output, about, in bytes.
const DEFLATE_BYTES: u64 = 300 * 1024;
const INFLATE_BYTES: u64 = 48 * 1024;
const BROTLI_BYTES: u64 = 4 * 1024 * 1024;
/// What brotli reads or writes at once.
const BROTLI_BUFFER_BYTES: usize = 4096;
/// As most servers compress what they have to compress at once.
const BROTLI_QUALITY: i32 = 6;
const BROTLI_WINDOW_LOG: i32 = 22;

/// The operations of `deno_web` with these among them.
pub(crate) fn counted(extension: Extension) -> Extension {
    replace_operations(extension, |op| match op.name {
        "op_compression_new" => op.with_implementation_from(&op_isobase_compression_new()),
        "op_compression_write" => op.with_implementation_from(&op_isobase_compression_write()),
        "op_compression_finish" => op.with_implementation_from(&op_isobase_compression_finish()),
        _ => *op,
    })
}

/// One stream until it is finished.
struct Stream(RefCell<Option<Coder>>);

// SAFETY: it holds nothing that the collector would have to know of.
unsafe impl GarbageCollected for Stream {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"CompressionResource"
    }
}

enum Coder {
    Deflate(ZlibEncoder<Output>),
    Inflate(ZlibDecoder<Output>),
    DeflateRaw(DeflateEncoder<Output>),
    InflateRaw(DeflateDecoder<Output>),
    Gzip(GzEncoder<Output>),
    Gunzip(GzDecoder<Output>),
    Brotli(Box<CompressorWriter<Output>>),
    Unbrotli(Box<DecompressorWriter<Output>>),
}

/// Where a coder writes: counted, and refused when it is too much.
struct Output {
    bytes: Vec<u8>,
    memory: Arc<MemoryMeter>,
    /// Counted for the coder itself.
    own: u64,
    /// Something was refused, so that it is not whole.
    is_cut: bool,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.memory.try_take(bytes.len() as u64) {
            self.is_cut = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    /// What was written so far. V8 counts it from here on.
    fn take(&mut self) -> Vec<u8> {
        self.memory.release(self.bytes.len() as u64);
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.memory.release(self.own + self.bytes.len() as u64);
    }
}

impl Coder {
    fn new(format: &str, is_decoder: bool, output: impl FnOnce(u64) -> Option<Output>) -> Option<Self> {
        Some(match (format, is_decoder) {
            ("deflate", false) => {
                Self::Deflate(ZlibEncoder::new(output(DEFLATE_BYTES)?, Compression::default()))
            }
            ("deflate", true) => Self::Inflate(ZlibDecoder::new(output(INFLATE_BYTES)?)),
            ("deflate-raw", false) => {
                Self::DeflateRaw(DeflateEncoder::new(output(DEFLATE_BYTES)?, Compression::default()))
            }
            ("deflate-raw", true) => Self::InflateRaw(DeflateDecoder::new(output(INFLATE_BYTES)?)),
            ("gzip", false) => Self::Gzip(GzEncoder::new(output(DEFLATE_BYTES)?, Compression::default())),
            ("gzip", true) => Self::Gunzip(GzDecoder::new(output(INFLATE_BYTES)?)),
            ("brotli", false) => {
                let parameters = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: BROTLI_WINDOW_LOG,
                    ..BrotliEncoderParams::default()
                };
                let output = output(BROTLI_BYTES)?;
                Self::Brotli(CompressorWriter::with_params(output, BROTLI_BUFFER_BYTES, &parameters).into())
            }
            ("brotli", true) => {
                Self::Unbrotli(DecompressorWriter::new(output(BROTLI_BYTES)?, BROTLI_BUFFER_BYTES).into())
            }
            _ => return None,
        })
    }

    fn write(&mut self, input: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Deflate(coder) => coder.write_all(input).map(|()| coder.get_mut().take()),
            Self::DeflateRaw(coder) => coder.write_all(input).map(|()| coder.get_mut().take()),
            Self::Gzip(coder) => coder.write_all(input).map(|()| coder.get_mut().take()),
            Self::Brotli(coder) => coder.write_all(input).map(|()| coder.get_mut().take()),
            Self::Inflate(coder) => written(coder, input).map(|()| coder.get_mut().take()),
            Self::InflateRaw(coder) => written(coder, input).map(|()| coder.get_mut().take()),
            Self::Gunzip(coder) => written(coder, input).map(|()| coder.get_mut().take()),
            Self::Unbrotli(coder) => written(coder, input).map(|()| coder.get_mut().take()),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        let output = match self {
            Self::Deflate(coder) => coder.finish(),
            Self::DeflateRaw(coder) => coder.finish(),
            Self::Gzip(coder) => coder.finish(),
            Self::Brotli(coder) => Ok(coder.into_inner()),
            Self::Inflate(coder) => coder.finish(),
            Self::InflateRaw(coder) => coder.finish(),
            Self::Gunzip(coder) => coder.finish(),
            Self::Unbrotli(coder) => coder.into_inner().map_err(|_| io::ErrorKind::InvalidData.into()),
        };
        let mut output = output?;
        // Brotli tells nobody that it could not write the end.
        if output.is_cut { Err(io::ErrorKind::OutOfMemory.into()) } else { Ok(output.take()) }
    }
}

/// What was decoded of `input` is wanted at once.
fn written(coder: &mut impl Write, input: &[u8]) -> io::Result<()> {
    coder.write_all(input)?;
    coder.flush()
}

fn failed(error: &io::Error) -> JsErrorBox {
    match error.kind() {
        io::ErrorKind::OutOfMemory => {
            JsErrorBox::range_error("what the stream holds is over this function's memory limit")
        }
        _ => JsErrorBox::type_error(error.to_string()),
    }
}

#[op2(reentrant)]
#[cppgc]
fn op_isobase_compression_new(
    scope: &mut v8::PinScope<'_, '_>,
    state: Rc<RefCell<OpState>>,
    #[string] format: &str,
    is_decoder: bool,
) -> Result<Stream, JsErrorBox> {
    let memory = state.borrow().borrow::<Invocations>().memory().clone();
    let mut refused = None;
    let coder = Coder::new(format, is_decoder, |own| {
        if native::take(scope, &memory, own) {
            return Some(Output { bytes: Vec::new(), memory, own, is_cut: false });
        }
        refused = Some(native::too_much(own));
        None
    });
    match coder {
        Some(coder) => Ok(Stream(RefCell::new(Some(coder)))),
        None => Err(refused.unwrap_or_else(|| JsErrorBox::type_error("Unsupported format"))),
    }
}

#[op2]
fn op_isobase_compression_write(
    #[cppgc] stream: &Stream,
    #[anybuffer] input: &[u8],
) -> Result<Uint8Array, JsErrorBox> {
    let mut coder = stream.0.borrow_mut();
    let written = coder.as_mut().ok_or_else(closed)?.write(input);
    if written.is_err() {
        // What it holds is of no use to anybody.
        *coder = None;
    }
    written.map(Uint8Array::from).map_err(|error| failed(&error))
}

#[op2]
fn op_isobase_compression_finish(
    #[cppgc] stream: &Stream,
    report_errors: bool,
) -> Result<Uint8Array, JsErrorBox> {
    let finished = match stream.0.borrow_mut().take() {
        Some(coder) => coder.finish().map_err(|error| failed(&error)),
        None => Err(closed()),
    };
    match finished {
        Err(error) if report_errors => Err(error),
        finished => Ok(finished.unwrap_or_default().into()),
    }
}

fn closed() -> JsErrorBox {
    JsErrorBox::type_error("resource is closed")
}
