//! A disk that is full.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aegis_nats::provision::provision;
use aegis_nats::testing::TestServer;
use aegis_nats::topology::Settings;
use aegis_nats::{PublishError, Service};
use aegis_schemas::Stream;
use bytes::Bytes;

use crate::support::{Record, message};

/// How much the disk takes.
const DISK: usize = 16 << 20;
/// What lies on it and can be removed.
const BALLAST: usize = 4 << 20;
const BODY: usize = 100_000;

/// A disk of its own for a folder; only root may mount one.
struct Disk(PathBuf);

impl Disk {
    /// Nothing, loudly, when this user may not mount.
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let size = format!("size={DISK}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder.to_owned())),
            refused => {
                eprintln!("SKIPPED: a full disk needs root, who may mount one: {refused:?}");
                None
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there loses it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// Every message is different, and not to be compressed.
fn body(number: i64) -> Bytes {
    let mut state = number.cast_unsigned() + 1;
    let bytes = (0..BODY).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    bytes.collect()
}

#[tokio::test]
async fn what_was_accepted_before_the_disk_was_full_is_there_and_publishing_goes_on_with_room() {
    let mut server = TestServer::bare(Settings::default()).await.unwrap();
    server.crash().await.unwrap();
    let store = server.store_dir();
    let Some(_disk) = Disk::mount(&store) else {
        return;
    };
    let ballast = store.join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST]).unwrap();
    server.resume().await.unwrap();
    let provisioner = server.bus(Service::Provisioner).await.unwrap();
    provision(&provisioner, server.settings(), 1).await.unwrap();

    let ingest = server.bus(Service::Ingest).await.unwrap();
    let publisher = ingest.publisher();
    let mut accepted = BTreeSet::new();
    let mut number = 0;
    let refused = loop {
        let (subject, meta, _) = message(number);
        let soon = Some(Duration::from_secs(3));
        match publisher.publish(&subject, &meta, body(number), soon).await {
            Ok(_) => accepted.insert(meta.id),
            Err(refused) => break refused,
        };
        number += 1;
        assert!(accepted.len() < DISK / BODY, "the disk takes everything");
    };
    let waits = matches!(refused, PublishError::Unavailable | PublishError::Full(_));
    assert!(waits, "{refused:?}");
    assert!(accepted.len() > 10, "{}", accepted.len());

    let (subject, meta, _) = message(number);
    let last = meta.id;
    let waiting =
        tokio::spawn(async move { publisher.publish(&subject, &meta, body(number), None).await });
    // A stream that could not be written once takes nothing until the server is started again, room or not.
    std::fs::remove_file(ballast).unwrap();
    server.crash().await.unwrap();
    server.resume().await.unwrap();
    waiting.await.unwrap().unwrap();

    accepted.insert(last);
    let record = Record::of(&server, Stream::Events).await;
    let there = record
        .wait("aegis.v1.signal.heartbeat", accepted.len())
        .await;
    let there: Vec<_> = there.iter().map(|one| one.meta().unwrap().id).collect();
    let once: BTreeSet<_> = there.iter().copied().collect();
    assert_eq!(once.len(), there.len(), "something is there twice");
    assert!(accepted.is_subset(&once), "something is lost");
    server.crash().await.unwrap();
}
