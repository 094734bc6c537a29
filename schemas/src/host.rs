//! Which host is this one.

use std::net::IpAddr;

/// Whether `host`, a name or an address as it stands in a URL, is this machine. What is said to another one
/// can be overheard on the way.
#[must_use]
pub fn is_this_host(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => bare.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_host() {
        for here in [
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_this_host(here), "{here}");
        }
        for elsewhere in [
            "",
            "0.0.0.0",
            "10.0.0.5",
            "nats",
            "localhost.example.org",
            "[::]",
            "127.0.0.1.example.org",
        ] {
            assert!(!is_this_host(elsewhere), "{elsewhere}");
        }
    }
}
