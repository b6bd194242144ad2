//! An application on the chain's gateway network: fetches a page all the time and logs what the web server saw.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{LogParams, PostParams};
use serde_json::json;

use crate::chain::Chain;
use crate::wait::until;

/// The lab's web server; its page is the client's address.
pub const PAGE: &str = "http://198.51.100.80/";

/// Starts the application.
pub async fn start(chain: &Chain) {
    let fetch = format!(
        "while :; do a=$(timeout 1 wget -q -O - {PAGE} 2>/dev/null) && echo \"ok $a\" || echo down; sleep 0.1; done"
    );
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": "app",
            "labels": {"hopkeeper.io/gateway": "berlin"},
            "annotations": {"k8s.v1.cni.cncf.io/networks": "berlin-gateway@vpn0"},
        },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": "lab.local/app:1", "command": ["sh", "-c", fetch]}],
        },
    }))
    .expect("it should be a pod");
    chain.api::<Pod>().create(&PostParams::default(), &pod).await.expect("the application should be made");
}

/// What the application got since a time: when, and the address that the web server saw, or none.
pub async fn fetched(chain: &Chain, since: Timestamp) -> Result<Vec<(Timestamp, Option<String>)>, String> {
    let seconds = since.as_second();
    let since_time = Timestamp::from_second(seconds).map_err(|e| e.to_string())?;
    let params = LogParams { timestamps: true, since_time: Some(since_time), ..LogParams::default() };
    let text = chain.api::<Pod>().logs("app", &params).await.map_err(|e| e.to_string())?;
    let line = |line: &str| {
        let (time, said) = line.split_once(' ')?;
        Some((time.parse().ok()?, said.strip_prefix("ok ").map(str::to_owned)))
    };
    Ok(text.lines().filter_map(line).filter(|(time, _)| *time >= since).collect())
}

/// Waits for a page after `since`; it must have come by an exit server.
pub async fn until_page(chain: &Chain, since: Timestamp, limit: Duration) -> Timestamp {
    let exits = [chain.lane.address(13), chain.lane.address(23)];
    until("the application fetches a page", limit, || async {
        let all = fetched(chain, since).await?;
        for (time, address) in &all {
            if let Some(address) = address {
                assert!(exits.contains(address), "the web server saw {address}: a leak around the chain");
                return Ok(*time);
            }
        }
        Err(format!("{} tries, none worked", all.len()))
    })
    .await
}

/// Waits until the application has no page any more.
pub async fn until_down(chain: &Chain, since: Timestamp, limit: Duration) -> Timestamp {
    until("the application notices the fault", limit, || async {
        let all = fetched(chain, since).await?;
        all.iter()
            .find(|(_, address)| address.is_none())
            .map(|(time, _)| *time)
            .ok_or_else(|| "still fetching".to_owned())
    })
    .await
}
