//! What comes out is what went in, whoever is faster.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use isobase_base::limits::{DATABASE_SPILL_PIECE_BYTES, DATABASE_SPOOL_BYTES_MAX};
use tokio::runtime::Handle;

use super::{Pace, Room, Spills, SpoolError, SpoolReader, SpoolWriter, spool};

const PIECE: usize = 40_000;
/// As much as goes to the disk many times over.
const PIECES: usize = 100;

fn spills() -> Arc<Spills> {
    spills_with(Room::default())
}

fn spills_with(room: Room) -> Arc<Spills> {
    Spills::new(std::env::temp_dir(), Handle::current(), room)
}

fn piece(number: usize) -> Bytes {
    (0..PIECE).map(|place| (number * 31 + place) as u8).collect()
}

async fn write(writer: &mut SpoolWriter, numbers: std::ops::Range<usize>) {
    for number in numbers {
        writer.push(piece(number)).await.unwrap();
    }
}

async fn next(reader: &mut SpoolReader) -> Option<Result<Bytes, String>> {
    poll_fn(|context| reader.poll_next(context)).await
}

async fn read(reader: &mut SpoolReader, bytes: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < bytes {
        let Some(bytes) = next(reader).await else { break };
        read.extend_from_slice(&bytes.unwrap());
    }
    read
}

fn all() -> Vec<u8> {
    (0..PIECES).flat_map(piece).collect()
}

#[tokio::test]
async fn what_nobody_has_read_yet_waits_on_the_disk() {
    let spills = spills();
    let (mut writer, mut reader) = spool(&spills, Pace::OfWriter, None);
    write(&mut writer, 0..PIECES).await;
    let (front, back) = {
        let state = reader.spool.state.lock();
        (state.front.bytes, state.back.bytes)
    };
    assert!(front <= DATABASE_SPOOL_BYTES_MAX + PIECE && back <= DATABASE_SPILL_PIECE_BYTES + PIECE);
    assert!(spills.bytes() > 0);
    writer.finish();
    assert!(read(&mut reader, usize::MAX).await == all());
    while spills.bytes() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn memory_and_disk_take_turns_in_order() {
    let spills = spills();
    for step in [3, 7, 30] {
        let (mut writer, mut reader) = spool(&spills, Pace::OfWriter, None);
        let mut seen = Vec::new();
        for start in (0..PIECES).step_by(step) {
            let end = (start + step).min(PIECES);
            write(&mut writer, start..end).await;
            let waiting = end * PIECE - seen.len();
            seen.extend(read(&mut reader, waiting * 3 / 4).await);
        }
        writer.finish();
        seen.extend(read(&mut reader, usize::MAX).await);
        assert!(seen == all(), "in steps of {step}");
    }
}

#[tokio::test]
async fn a_reader_that_keeps_up_needs_no_disk() {
    let spills = spills();
    let (mut writer, mut reader) = spool(&spills, Pace::OfReader, None);
    let (seen, ()) = tokio::join!(read(&mut reader, PIECES * PIECE), write(&mut writer, 0..PIECES));
    assert!(seen == all());
    assert_eq!(spills.bytes(), 0);
}

#[tokio::test]
async fn patience_ends_once() {
    let (mut writer, reader) = spool(&spills(), Pace::OfReader, None);
    write(&mut writer, 0..PIECES).await;
    assert_eq!(writer.patience, Duration::ZERO);
    drop(reader);
    assert!(matches!(writer.push(piece(0)).await, Err(SpoolError::Left)));
}

#[tokio::test]
async fn what_is_not_finished_breaks_off() {
    let (mut writer, mut reader) = spool(&spills(), Pace::OfWriter, Some(3));
    writer.push(Bytes::from_static(b"abc")).await.unwrap();
    drop(writer);
    assert_eq!(next(&mut reader).await, Some(Ok(Bytes::from_static(b"abc"))));
    assert!(next(&mut reader).await.unwrap().is_err());
    assert_eq!(next(&mut reader).await, None);
}

/// Room for what one writer of all pieces puts on the disk, and not for two.
const ROOM_FOR_ONE: u64 = (PIECES * PIECE) as u64;

#[tokio::test]
async fn a_full_disk_ends_what_does_not_fit() {
    let spills = spills_with(Room { bytes_max: ROOM_FOR_ONE, wait_max: Duration::ZERO });
    let (mut first, mut kept) = spool(&spills, Pace::OfWriter, None);
    write(&mut first, 0..PIECES).await;
    let (mut second, broken) = spool(&spills, Pace::OfWriter, None);
    let mut refused = None;
    for number in 0..PIECES {
        refused = second.push(piece(number)).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(SpoolError::Full)), "{refused:?}");
    assert!(spills.bytes() <= ROOM_FOR_ONE);
    drop((second, broken));
    first.finish();
    assert!(read(&mut kept, usize::MAX).await == all(), "what fitted is whole");
}

#[tokio::test]
async fn what_does_not_fit_waits_until_others_have_gone() {
    let spills = spills_with(Room { bytes_max: ROOM_FOR_ONE, wait_max: Duration::from_secs(60) });
    let (mut first, mut gone) = spool(&spills, Pace::OfWriter, None);
    write(&mut first, 0..PIECES).await;
    let (mut second, mut reader) = spool(&spills, Pace::OfWriter, None);
    let writing = async {
        write(&mut second, 0..PIECES).await;
        second.finish();
    };
    let reading = async {
        first.finish();
        assert!(read(&mut gone, usize::MAX).await == all());
        drop(gone);
    };
    tokio::join!(writing, reading);
    assert!(read(&mut reader, usize::MAX).await == all());
}
