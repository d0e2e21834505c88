//! A recording whose batches are packed on another thread than the one that carries the session.

use super::Writer;
use crate::faults::Faults;
use crate::recordings::{Shelf, frames};
use crate::secrets::random_id;
use bytes::Bytes;
use sekisho_core::desk::{Cause, Event, RecordingSink as _};
use sekisho_core::ids::SessionId;
use sekisho_core::people::Actor;
use sekisho_core::target::Function;
use sekisho_evidence::recording::{DataKey, Frame, Header};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::broadcast;

const KEY: [u8; 32] = [7; 32];
/// Pieces of output; together well above what may wait in memory.
const PIECES: u64 = 3000;
const PIECE: usize = 8 * 1024;

async fn recording(folder: &Path) -> (Arc<Shelf>, Arc<Writer>) {
    let shelf = Arc::new(Shelf::new(folder, Arc::<Faults>::default(), broadcast::channel(8).0));
    shelf.set_up().unwrap();
    let session = random_id::<SessionId>().unwrap();
    let header = Header {
        session: session.as_str().to_owned(),
        plan: "p".into(),
        target: "t".into(),
        person: "w".into(),
        protocol: "ssh".into(),
        started_at: 1,
        log_origin: "sekisho/test".into(),
        wrapped_key: vec![1],
        recipients: Vec::new(),
        second: None,
    };
    let writer = shelf.begin(session, header, DataKey::from_bytes(KEY), Actor::system()).await.unwrap();
    (shelf, writer)
}

/// Each piece begins with its number, and half of it does not compress.
fn piece(number: u64) -> Bytes {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = number.to_be_bytes().to_vec();
    while bytes.len() < PIECE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_be_bytes());
        bytes.extend_from_slice(b"a row  \n");
    }
    Bytes::from(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_with_cuts_and_readers_beside_it_stands_in_the_recording_whole_and_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, writer) = recording(folder.path()).await;
    let over = Arc::new(AtomicBool::new(false));
    let beside = |act: fn(&Writer)| {
        let (writer, over) = (Arc::clone(&writer), Arc::clone(&over));
        tokio::task::spawn_blocking(move || {
            let mut times = 0;
            while !over.load(Ordering::SeqCst) {
                act(&writer);
                times += 1;
            }
            times
        })
    };
    let (cutting, reading) = (beside(Writer::cut), beside(Writer::flush));
    let sink = shelf.sink(&writer);
    let carrying = tokio::spawn(async move {
        sink.append(1, Event::Open { function: Function::Exec, text: "cat log", size: None }).unwrap();
        for number in 0..PIECES {
            sink.append(1, Event::Output(&piece(number))).unwrap();
        }
        sink
    });
    let sink = carrying.await.unwrap();
    over.store(true, Ordering::SeqCst);
    let (cuts, reads) = (cutting.await.unwrap(), reading.await.unwrap());
    assert!(cuts > 0 && reads > 0, "{cuts} cuts, {reads} reads");
    // What filled no batch is on the disk after one cut, too.
    writer.cut();
    let before = writer.bytes();
    writer.cut();
    assert_eq!(writer.bytes(), before, "nothing was left in memory");
    assert!(!writer.is_lost() && writer.claim_end());
    drop(sink);
    let sealing = Arc::clone(&writer);
    let ending = tokio::task::spawn_blocking(move || sealing.seal(Cause::Closed, 2)).await.unwrap();
    assert_eq!(ending.cause, Cause::Closed);

    let mut decoder = frames(&shelf.path(writer.session()), |_| Ok(DataKey::from_bytes(KEY))).unwrap();
    let mut output = Vec::new();
    while let Some(timed) = decoder.next_frame().unwrap() {
        if let Frame::Output(data) = timed.frame {
            output.extend_from_slice(&data);
        }
    }
    let expected: Vec<u8> = (0..PIECES).flat_map(piece).collect();
    assert!(output == expected, "{} of {} bytes, or in another order", output.len(), expected.len());
}

#[tokio::test]
async fn a_cut_that_finds_the_disk_taken_is_made_by_whoever_had_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_shelf, writer) = recording(folder.path()).await;
    let before = writer.bytes();
    let taken = writer.disk.lock().unwrap();
    writer.append(1, Event::Message("一行")).unwrap();
    writer.cut();
    assert_eq!(writer.bytes(), before, "somebody else has the disk");
    drop(taken);
    // What it was taken for: batches that are full, of which there is none.
    writer.pack_full().unwrap();
    assert!(writer.bytes() > before);
}
