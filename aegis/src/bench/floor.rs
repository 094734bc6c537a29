//! JetStream alone: a second server of the same configuration, on the same disk, under the same load of
//! the machine.

use std::time::Duration;

use aegis_nats::floor::{Floor, Hop};
use aegis_nats::server::{ServerProcess, free_port};
use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Service};
use aegis_schemas::{Cluster, Entity, EntityKind, Name, Namespace, Subject};
use anyhow::Result;

use crate::local::place::Place;
use crate::{init, run};

/// Sends `samples` messages through as many hops as the pipeline has; each takes as long as that.
pub(super) async fn measure(
    place: &Place,
    bytes: [usize; 4],
    samples: usize,
) -> Result<Vec<Duration>> {
    let cluster = Cluster::parse("floor")?;
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let home = place.path().join("floor");
    let mut wanted = init::installation(&cluster);
    wanted.bus.url = format!("nats://{listen}");
    init::make(&home, &wanted, listen)?;
    wanted.bus.keys_dir = home.join(&wanted.bus.keys_dir);
    let text = std::fs::read_to_string(home.join("nats-server.conf"))?;
    let server = ServerProcess::start(&text, &home, listen).await?;
    let provisioner = run::connect(&wanted, Service::Provisioner).await?;
    aegis_nats::provision::provision(&provisioner, &wanted.topology, 1).await?;

    let bus = |service| run::connect(&wanted, service);
    let (ingest, detector, policy, executor) = (
        bus(Service::Ingest).await?,
        bus(Service::Detector).await?,
        bus(Service::Policy).await?,
        bus(Service::Executor).await?,
    );
    let entity = Entity::namespaced(
        cluster.clone(),
        Namespace::parse("bench")?,
        EntityKind::Deployment,
        Name::parse("work")?,
    );
    let hop = |from: &Bus, subject, bytes, to: &Bus, durable| Hop {
        from: from.clone(),
        subject,
        bytes,
        to: to.clone(),
        durable,
    };
    let mut floor = Floor::new(vec![
        hop(
            &ingest,
            Subject::metric(0, &entity),
            bytes[0],
            &detector,
            Durable::scorer(0),
        ),
        hop(
            &detector,
            Subject::anomaly(&entity),
            bytes[1],
            &detector,
            Durable::incidents(&cluster),
        ),
        hop(
            &detector,
            Subject::incident(&entity),
            bytes[2],
            &policy,
            Durable::policy(&cluster),
        ),
        hop(
            &policy,
            Subject::decision("allow", &entity),
            bytes[3],
            &executor,
            Durable::executor(&cluster),
        ),
    ]);
    // The first ones open connections and files.
    for _ in 0..5 {
        floor.sample().await?;
    }
    let mut took = Vec::with_capacity(samples);
    for _ in 0..samples {
        took.push(floor.sample().await?);
    }
    server.stop().await?;
    Ok(took)
}
