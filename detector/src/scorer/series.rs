//! What a raw series means.

use aegis_schemas::Series;

use super::logs::Level;

/// Labels that tell the connection pools of one process, or the servers of one exporter, apart.
const POOLS: [&str; 6] = [
    "pool",
    "name",
    "db_name",
    "pool_name",
    "db_client_connection_pool_name",
    "server",
];

/// How lines of a log are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// All that were ever written.
    Total,
    /// So many a second.
    Rate,
    /// The same of lines whose level is told elsewhere.
    TemplateRate,
}

/// A moment in the life of a certificate; the value is in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It is valid from then on.
    Begins,
    /// Whoever looks after it means to renew it then.
    Renews,
    /// It is valid until then.
    Ends,
}

/// What a raw series counts or measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role<'a> {
    /// CPU seconds of a container, or of a node.
    Cpu,
    /// Bytes that a container, or a node, works with.
    Memory,
    /// Cores that a container may use, or that a node has for pods.
    CpuLimit,
    /// Bytes that a container may use, or that a node has for pods.
    MemoryLimit,
    /// Bytes that a container has written to its node's disk.
    Disk,
    /// The size of the filesystem that they are on.
    DiskLimit,
    /// Connections of a pool, or to a server, that are in use.
    Pool,
    /// How many there may be; zero stands for any number.
    PoolLimit,
    /// A moment in the life of a certificate.
    Certificate(Moment),
    /// Lines of a log of a level, and of a template if that is known.
    Lines {
        level: Level,
        template: Option<&'a str>,
        what: Lines,
    },
    /// Packets received.
    Packets,
    /// Packets that came and were dropped.
    Dropped,
    /// Requests answered, and whether with an error of the server.
    Requests { error: bool },
    /// Requests answered within that many seconds.
    Bucket { le: f64 },
    /// Seconds spent on answers.
    LatencySum,
    /// Answers that `LatencySum` is about.
    LatencyCount,
    /// Calls to another workload, and whether they failed.
    Calls { peer: &'a str, error: bool },
    /// Seconds spent on calls.
    CallSum { peer: &'a str },
    /// Calls that `CallSum` is about.
    CallCount { peer: &'a str },
}

impl<'a> Role<'a> {
    /// The role of `series`, if it has one.
    pub(super) fn of(series: &'a Series) -> Option<Self> {
        let label = |name: &str| series.labels.get(name).map(String::as_str);
        let error = || label("code").is_some_and(|code| code.starts_with('5'));
        // cAdvisor also says the pod's sum (no container) and its sandbox (`POD`).
        let is_container = !matches!(label("container"), Some("" | "POD"));
        let peer = || label("peer").filter(|peer| !peer.is_empty());
        let used = |state: &str| label(state) == Some("used");
        Some(match series.metric.as_str() {
            "container_cpu_usage_seconds_total" if is_container => Self::Cpu,
            "container_memory_working_set_bytes" if is_container => Self::Memory,
            "container_fs_usage_bytes" if is_container => Self::Disk,
            "container_fs_limit_bytes" if is_container => Self::DiskLimit,
            "container_network_receive_packets_total" => Self::Packets,
            "container_network_receive_packets_dropped_total" => Self::Dropped,
            // A node as a whole: its kubelet's `/metrics/resource`.
            "node_cpu_usage_seconds_total" => Self::Cpu,
            "node_memory_working_set_bytes" => Self::Memory,
            "kube_pod_container_resource_limits" | "kube_node_status_allocatable" => {
                match label("resource")? {
                    "cpu" => Self::CpuLimit,
                    "memory" => Self::MemoryLimit,
                    _ => return None,
                }
            }
            "http_requests_total" => Self::Requests { error: error() },
            "http_request_duration_seconds_bucket" => Self::Bucket {
                le: bound(label("le")?)?,
            },
            "http_request_duration_seconds_sum" => Self::LatencySum,
            "http_request_duration_seconds_count" => Self::LatencyCount,
            "http_client_requests_total" => Self::Calls {
                peer: peer()?,
                error: error(),
            },
            "http_client_request_duration_seconds_sum" => Self::CallSum { peer: peer()? },
            "http_client_request_duration_seconds_count" => Self::CallCount { peer: peer()? },
            // Micrometer (HikariCP, any DataSource), database/sql of Go, postgres_exporter, OpenTelemetry's
            // semantic conventions before and after these metrics were renamed.
            "hikaricp_connections_active"
            | "jdbc_connections_active"
            | "go_sql_in_use_connections"
            | "pg_stat_activity_count" => Self::Pool,
            "db_client_connections_usage" if used("state") => Self::Pool,
            "db_client_connection_count" if used("db_client_connection_state") => Self::Pool,
            "hikaricp_connections_max"
            | "jdbc_connections_max"
            | "go_sql_max_open_connections"
            | "db_client_connections_max"
            | "db_client_connection_max"
            | "pg_settings_max_connections" => Self::PoolLimit,
            // Recording rules of Loki; stages that count lines in Alloy, Promtail and Vector; Micrometer.
            "aegis:log_lines:rate1m" => lines(series, Lines::Rate),
            "aegis:log_templates:rate1m" => lines(series, Lines::TemplateRate),
            "log_lines_total"
            | "loki_process_custom_log_lines_total"
            | "promtail_custom_log_lines_total"
            | "logback_events_total"
            | "log4j2_events_total" => lines(series, Lines::Total),
            // cert-manager, x509-certificate-exporter, blackbox_exporter.
            "certmanager_certificate_expiration_timestamp_seconds"
            | "x509_cert_not_after"
            | "probe_ssl_earliest_cert_expiry" => Self::Certificate(Moment::Ends),
            "certmanager_certificate_renewal_timestamp_seconds" => {
                Self::Certificate(Moment::Renews)
            }
            "x509_cert_not_before" => Self::Certificate(Moment::Begins),
            _ => return None,
        })
    }

    /// The metric's number; series of one metric share it.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Cpu => 0,
            Self::Memory => 1,
            Self::CpuLimit => 2,
            Self::MemoryLimit => 3,
            Self::Requests { .. } => 4,
            Self::Bucket { .. } => 5,
            Self::LatencySum => 6,
            Self::LatencyCount => 7,
            Self::Calls { .. } => 8,
            Self::CallSum { .. } => 9,
            Self::CallCount { .. } => 10,
            Self::Disk => 11,
            Self::DiskLimit => 12,
            Self::Packets => 13,
            Self::Dropped => 14,
            Self::Pool => 15,
            Self::PoolLimit => 16,
            Self::Certificate(_) => 17,
            Self::Lines { .. } => 18,
        }
    }

    /// Whether it is a limit: limits are read before what is measured against them.
    pub(super) const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::CpuLimit | Self::MemoryLimit | Self::DiskLimit | Self::PoolLimit
        )
    }
}

fn lines(series: &Series, what: Lines) -> Role<'_> {
    let label = |name: &str| {
        let value = series.labels.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    };
    let template = label("template").or_else(|| label("pattern"));
    let level = ["level", "detected_level", "severity"]
        .into_iter()
        .find_map(label);
    let level = level.map_or_else(
        || template.map(Level::of_text),
        |word| Some(Level::of(word)),
    );
    Role::Lines {
        level: level.unwrap_or(Level::Unknown),
        template,
        what,
    }
}

/// A label's value as people are told of it: whoever writes it may write anything.
pub(super) fn told(text: &str, most: usize) -> String {
    let plain = |letter: char| {
        let is_odd = letter.is_control() || letter == '`';
        if is_odd { ' ' } else { letter }
    };
    text.chars().take(most).map(plain).collect()
}

fn bound(le: &str) -> Option<f64> {
    let bound = if le == "+Inf" {
        f64::INFINITY
    } else {
        le.parse().ok()?
    };
    (bound > 0.0).then_some(bound)
}

/// A number for the series among those of its pod: FNV-1a over its metric and labels. Two series
/// that share one by accident would be read as one counter.
pub(super) fn identity(role: Role<'_>, series: &Series) -> u64 {
    let mut hash = fold(0xcbf2_9ce4_8422_2325, &[role.number()]);
    for (name, value) in &series.labels {
        hash = fold(hash, name.as_bytes());
        hash = fold(hash, &[0xff]);
        hash = fold(hash, value.as_bytes());
        hash = fold(hash, &[0xff]);
    }
    hash
}

/// A number for what has the limit that the series is about: the container, or the connection pool.
pub(super) fn limited(role: Role<'_>, series: &Series) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    if !matches!(role, Role::Pool | Role::PoolLimit) {
        let name = series.labels.get("container").map_or("", String::as_str);
        return fold(BASIS, name.as_bytes());
    }
    // The same pool may be told of by two libraries, each with its own name for it.
    let library = series.metric.split('_').next().unwrap_or_default();
    let pool = POOLS.iter().find_map(|&label| {
        let value = series.labels.get(label)?;
        Some([label, value.as_str()])
    });
    let words = std::iter::once(library).chain(pool.into_iter().flatten());
    words.fold(BASIS, |hash, word| {
        fold(fold(hash, word.as_bytes()), &[0xff])
    })
}

fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
