//! Pools that are slow to answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Barrier;

use super::*;
use crate::parameters::vault::{Login, Vault};

const HOPS: usize = 3;

/// A Vault that refuses every request, but answers none before all hops have asked.
async fn hesitant_vault() -> Vault {
    // The program's main does so; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let together = Arc::new(Barrier::new(HOPS));
    tokio::task::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let together = Arc::clone(&together);
            tokio::task::spawn(async move {
                let read = connection.read(&mut [0; 4096]).await.unwrap();
                assert!(read > 0);
                together.wait().await;
                let refused = b"HTTP/1.1 400 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                connection.write_all(refused).await.unwrap();
            });
        }
    });
    Vault::new(&address, None, Login::Token("t".into())).unwrap()
}

#[tokio::test]
async fn the_pools_of_all_hops_are_waited_for_together() {
    let server = ApiServer::start().await;
    let mut chain = berlin();
    server.put(CHAIN, &chain);
    for (hop, text) in
        [("entry", profile("203.0.113.1")), ("middle", wireguard("203.0.113.9")), ("exit", profile("203.0.113.2"))]
    {
        let name = format!("{hop}-pool");
        server.put(&format!("/api/v1/namespaces/demo/secrets/{name}"), &pool(&name, "1", &[("a", &text)]));
    }
    let registry = prometheus::Registry::new();
    let mut ctx = context(server.client(), &registry);
    keep_up(&chain, &ctx).await.unwrap();
    ctx.vault = Some(hesitant_vault().await);
    for hop in &mut chain.spec.hops {
        hop.parameters =
            serde_json::from_value(json!({"vault": {"mount": "secret", "path": format!("vpn/{}", hop.name)}})).unwrap();
    }
    server.put(CHAIN, &chain);
    let pass = tokio::time::timeout(Duration::from_secs(60), keep_up(&chain, &ctx)).await;
    pass.unwrap().unwrap();
    let chain: VpnChain = serde_json::from_value(server.get(CHAIN)).unwrap();
    let told = chain.status.unwrap().message.unwrap();
    // Who were asked one after the other would have had no answer at all.
    assert!(told.contains("vault answered 400"), "{told}");
}
