//! `aegis keys tls`: an authority and the certificates of NATS, PostgreSQL and Aegis, for development and
//! for installations without an authority of their own.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aegis_nats::server::ServerTls;
use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::{Span, Zoned};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::init::write;

/// What every server of an installation on one host is called.
const THIS_HOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes certificates.
#[derive(Debug, Args)]
#[command(
    after_help = "Makes in the folder: ca.crt and ca.key, nats.crt and nats.key, postgres.crt and postgres.key for the\nservers, aegis.crt and aegis.key for the services. Keys are for their owner alone (mode 0600). Keep\nca.key elsewhere: whoever has it can pass for any of them.\n\nExamples:\n  aegis keys tls ./tls\n  aegis keys tls ./tls --nats nats.example.org --postgres db.example.org --days 90\n  aegis init ./aegis --nats 10.0.0.5:4222 --tls ./tls\n\nPostgreSQL: ssl = on, ssl_cert_file, ssl_key_file, ssl_ca_file; and in the URL of its administrator\n  ?sslmode=verify-full&sslrootcert=/path/ca.crt&sslcert=/path/aegis.crt&sslkey=/path/aegis.key"
)]
pub struct Tls {
    /// The folder; nothing in it is overwritten.
    dir: PathBuf,
    /// A name or address that nats-server is reached by, besides this host; may be given more than once.
    #[arg(long = "nats", value_name = "NAME")]
    nats: Vec<String>,
    /// A name or address that PostgreSQL is reached by, besides this host; may be given more than once.
    #[arg(long = "postgres", value_name = "NAME")]
    postgres: Vec<String>,
    /// How long they are valid.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

impl Tls {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When a name is no name, or a file is there or cannot be written.
    pub fn run(&self) -> Result<()> {
        let authority = self.authority()?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .with_context(|| format!("cannot make the folder `{}`", self.dir.display()))?;
        self.keep("ca", &authority.pem(), authority.key())?;
        self.issue(&authority, "nats", &self.nats)?;
        self.issue(&authority, "postgres", &self.postgres)?;
        self.issue(&authority, "aegis", &[])?;
        eprintln!("made certificates in `{}`", self.dir.display());
        Ok(())
    }

    fn authority(&self) -> Result<CertifiedIssuer<'static, KeyPair>> {
        let mut params = self.params("Aegis development authority", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
    }

    /// One for both ends of a connection: servers show it, and so do their peers in a cluster.
    fn issue(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        name: &str,
        others: &[String],
    ) -> Result<()> {
        let here = THIS_HOST.map(str::to_owned);
        let names: Vec<String> = others.iter().cloned().chain(here).collect();
        let mut params = self.params(name, &names)?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        self.keep(name, &certificate.pem(), &key)
    }

    fn params(&self, name: &str, names: &[String]) -> Result<CertificateParams> {
        let mut params = CertificateParams::new(names)
            .with_context(|| format!("one of {names:?} is no name of a server"))?;
        params.distinguished_name.push(DnType::CommonName, name);
        let now = Zoned::now();
        let day = |at: &Zoned| {
            let (month, day) = (at.month().unsigned_abs(), at.day().unsigned_abs());
            date_time_ymd(i32::from(at.year()), month, day)
        };
        // Clocks differ, and the day begins elsewhere first.
        params.not_before = day(&now.checked_sub(Span::new().days(1))?);
        params.not_after = day(&now.checked_add(Span::new().days(self.days))?);
        Ok(params)
    }

    fn keep(&self, name: &str, certificate: &str, key: &KeyPair) -> Result<()> {
        let (certificate_file, key_file) = files(&self.dir, name);
        if certificate_file.exists() || key_file.exists() {
            bail!(
                "`{}` or its key exists; keys are never overwritten, so choose another folder",
                certificate_file.display()
            );
        }
        write(&key_file, 0o600, key.serialize_pem().as_bytes())?;
        write(&certificate_file, 0o644, certificate.as_bytes())
    }
}

/// The certificate and the key of that name in a folder of certificates.
fn files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (
        dir.join(name).with_extension("crt"),
        dir.join(name).with_extension("key"),
    )
}

/// What nats-server shows, and whom it believes.
#[must_use]
pub fn of_nats(dir: &Path) -> ServerTls {
    let (certificate, key) = files(dir, "nats");
    ServerTls {
        certificate,
        key,
        client_ca: Some(files(dir, "ca").0),
    }
}

/// What services show, and whom they believe: for the section `bus`.
pub fn trust(bus: &mut crate::config::Bus, dir: &Path) {
    let (certificate, key) = files(dir, "aegis");
    bus.ca_file = Some(files(dir, "ca").0);
    bus.certificate_file = Some(certificate);
    bus.key_file = Some(key);
}
