//! Feeds and serves the status page: watches chains and incidents, and looks who leads.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::LEASE;
use crate::config::status_page::Auth;
use crate::http;
use crate::live::Live;
use crate::status_page::{Access, Publisher, Settings, channel, router};

/// How often a replica that does not lead looks who does.
const LOOK: Duration = Duration::from_secs(5);

/// Who this replica is, and where its leader election takes place.
pub struct Replica {
    /// Its name in the election.
    pub identity: String,
    /// The Lease's namespace.
    pub lease_namespace: String,
    /// Whether it leads.
    pub leads: watch::Receiver<bool>,
}

/// Serves the page until `stop` to those whom `auth` lets; `namespace` is the only one that is shown, where it is given.
///
/// # Errors
/// When the listener fails.
pub async fn run(
    listener: TcpListener,
    client: Client,
    namespace: Option<String>,
    auth: Auth,
    replica: Replica,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the status page has no address")?;
    tracing::info!(url = %format_args!("http://{address}/"), "Serving the status page.");
    if auth == Auth::None && !is_local(address) {
        tracing::warn!(%address, "Whoever reaches this address sees chains and incidents with their log lines.");
    }
    let (publisher, shown) = channel(&replica.identity);
    let access = (auth == Auth::Kubernetes).then(|| Arc::new(Access::new(client.clone(), stop.clone())));
    let settings = Settings { local_only: is_local(address), access, stop: stop.clone() };
    let serve = http::serve_until(listener, router(shown, settings), stop);
    let live = Live::new(&client, namespace.as_deref(), None);
    let leases = Api::namespaced(client, &replica.lease_namespace);
    let feed = async { tokio::join!(follow(live, &publisher), look(&leases, replica, &publisher)) };
    tokio::select! {
        served = serve => Ok(served?),
        (never, _) = feed => match never {},
    }
}

fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

async fn follow(mut live: Live, publisher: &Publisher) -> Infallible {
    loop {
        live.changed().await;
        if live.is_listed() {
            let (chains, incidents) = live.objects();
            publisher.objects(chains, incidents);
        }
        publisher.operator(|operator| operator.trouble = live.failure().map(str::to_owned));
    }
}

async fn look(leases: &Api<Lease>, mut replica: Replica, publisher: &Publisher) -> Infallible {
    loop {
        let leads = *replica.leads.borrow_and_update();
        let leader = match leads {
            true => Some(replica.identity.clone()),
            // A replica that may not read the Lease does not know.
            false => leases.get(LEASE).await.ok().and_then(|lease| holder(&lease, Timestamp::now())),
        };
        publisher.operator(|operator| operator.leader = leader);
        tokio::select! {
            () = sleep(LOOK) => {}
            Ok(()) = replica.leads.changed() => {}
        }
    }
}

/// Who holds the lease, unless it has run out.
fn holder(lease: &Lease, now: Timestamp) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    let renewed = spec.renew_time.as_ref()?.0;
    let lasts = jiff::SignedDuration::from_secs(spec.lease_duration_seconds?.into());
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    (renewed + lasts > now).then_some(holder)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lease_that_ran_out_or_was_given_back_names_no_leader() {
        let lease = |holder: &str| -> Lease {
            serde_json::from_value(json!({"metadata": {}, "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-11-22T12:00:00.000000Z",
            }}))
            .unwrap()
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(holder(&lease("a-1"), at("2026-11-22T12:00:14Z")).as_deref(), Some("a-1"));
        assert_eq!(holder(&lease("a-1"), at("2026-11-22T12:00:15Z")), None);
        assert_eq!(holder(&lease(""), at("2026-11-22T12:00:01Z")), None);
        assert_eq!(holder(&Lease::default(), at("2026-11-22T12:00:01Z")), None);
    }

    #[test]
    fn only_loopback_addresses_are_local() {
        let local = |text: &str| is_local(text.parse().unwrap());
        assert!(local("127.0.0.1:1") && local("[::1]:1") && local("[::ffff:127.0.0.1]:1"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("10.0.0.1:1"));
    }
}
