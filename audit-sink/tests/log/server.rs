//! The private server and what is made on it.

use std::os::unix::fs::PermissionsExt as _;

use aegis_audit_sink::database;
use aegis_audit_sink::read::Reader;
use aegis_audit_sink::server::Server;

#[tokio::test]
async fn provisioned_server_survives_a_crash_and_is_provisioned_again_as_it_was() {
    let folder = tempfile::Builder::new()
        .prefix("aegis-server-")
        .tempdir()
        .unwrap();
    let passable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), passable).unwrap();
    let (home, urls) = (folder.path().join("postgres"), folder.path().join("urls"));
    let server = Server::start(&home, 0).await.unwrap();
    let made = database::provision(server.admin_url(), &urls)
        .await
        .unwrap();
    let url = std::fs::read_to_string(&made.audit).unwrap();
    let mode = std::fs::metadata(&made.audit).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let port: u16 = url
        .rsplit_once(':')
        .and_then(|(_, rest)| rest.split('/').next()?.parse().ok())
        .unwrap();
    server.kill().await;

    let server = Server::start(&home, port).await.unwrap();
    let again = database::provision(server.admin_url(), &urls)
        .await
        .unwrap();
    assert_eq!(again, made);
    assert_eq!(std::fs::read_to_string(&made.audit).unwrap(), url);
    let reader = Reader::connect_file(&made.audit).await.unwrap();
    assert_eq!(reader.size().await.unwrap(), 0);
    drop(reader);
    server.stop().await;
}
