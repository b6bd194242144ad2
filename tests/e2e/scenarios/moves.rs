//! A chain that is Up gets other addresses, as the program itself advises where two chains' or a chain's and the node's clash.

use jiff::Timestamp;
use serde_json::json;

use super::{LIMIT, World, seconds};
use crate::app;
use crate::chain::{berlin, kubectl};
use crate::leaks::{Senders, outside};
use crate::wait::until;

#[tokio::test]
async fn a_chain_moves_to_other_addresses_with_the_parameters_that_it_had() {
    let world = World::up("moves", |_| ()).await;
    let chain = &world.chain;
    let before = chain.state().await;
    let senders = Senders::of(chain);
    let capture = outside("leak-moves");
    let began = Timestamp::now();
    let mut moved = berlin(chain.lane);
    moved["spec"]["links"]["cidr"] = json!(format!("{}128/25", chain.lane.link_prefix()));
    moved["spec"]["gateway"]["cidr"] = json!("10.200.9.0/24");
    chain.apply(&moved).await.expect("other addresses should be accepted");
    until("every hop has a new pod", LIMIT, || async {
        let now = chain.state().await;
        let same: Vec<_> = now.iter().filter(|(hop, (uid, _))| *uid == before[*hop].0).map(|(hop, _)| hop).collect();
        if same.is_empty() { Ok(()) } else { Err(format!("not {same:?}")) }
    })
    .await;
    chain.until_up(LIMIT).await;

    // An application has its address from its beginning too.
    kubectl(&["-n", &chain.namespace, "delete", "pod", "app", "--wait=true"]);
    app::start(chain).await;
    let page = app::until_page(chain, Timestamp::now(), LIMIT).await;
    println!("    on other addresses, and the page fetched by a new application, after {:.1} s", seconds(began, page));
    let (leaked, _) = senders.of_theirs(capture.stop());
    assert_eq!(leaked.len(), 0, "while it moved: {leaked:#?}");

    chain.until_all_closed(LIMIT).await;
    chain.assert_nothing_repaired("other addresses are no failure").await;
    for (hop, (uid, candidate)) in chain.state().await {
        assert_ne!(uid, before[&hop].0, "{hop}");
        assert_eq!(candidate, before[&hop].1, "{hop}");
    }
}
