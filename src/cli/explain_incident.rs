//! `hopkeeper explain-incident`: the story of one incident.

use clap::Args;
use kube::ResourceExt;
use kube::api::ListParams;
use miette::miette;

use super::cluster::{Cluster, ClusterArgs, Scope, block_on, no_chain, no_hop, refused};
use super::output::{self, OutputArgs, Whole};
use crate::crd::HopIncident;
use crate::overview::{ChainOverview, Story, overview};

mod text;

/// Tells the story of one incident: the line, what it proves, whose fault it was, what was done, and how long that took.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 told; 1 not told (no such incident, no answer from the API server); 2 wrong usage.\n\n\
    Examples:\n  hopkeeper explain-incident berlin/entry\n  \
    hopkeeper status berlin                      # lists the incidents\n  \
    hopkeeper explain-incident berlin-entry-0a1b2c3d4e5f\n  hopkeeper explain-incident 0a1b\n  \
    hopkeeper explain-incident 0a1b -o json | jq .times"
)]
pub(super) struct ExplainIncident {
    /// The incident's name; a part of it will do where no other one has that part. Or CHAIN/HOP: what holds that hop, else its
    /// newest incident.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    printed: OutputArgs<Whole>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl ExplainIncident {
    pub(super) fn run(self) -> miette::Result<()> {
        let story = block_on(async {
            let cluster = self.cluster.connect().await?;
            let Some((chain, hop)) = self.id.split_once('/') else {
                return Ok(Story::of(&find(&cluster, &self.id).await?));
            };
            let scope = Scope { namespace: Some(cluster.namespace.clone()), chain: Some(chain.to_owned()) };
            let (chains, incidents) = cluster.read(&scope).await?;
            let all = overview(&chains, &incidents).chains;
            of_hop(all.first().ok_or_else(|| no_chain(chain, &cluster.namespace))?, hop)
        })?;
        output::print(&self.printed.format().of(|| text::story(&story), &story)?)
    }
}

/// What holds the hop, else what happened to it last.
fn of_hop(chain: &ChainOverview, name: &str) -> miette::Result<Story> {
    let hop = chain.hops.iter().find(|hop| hop.name == name);
    let hop = hop.ok_or_else(|| no_hop(&chain.name, name, chain.hops.iter().map(|hop| hop.name.as_str())))?;
    let mut of_hop = chain.incidents.iter().filter(|story| story.hop == name);
    let story = match &hop.held {
        Some(held) => of_hop.find(|story| story.id == held.incident),
        None => of_hop.next(),
    };
    story.cloned().ok_or_else(|| miette!("hop {name:?} of chain {:?} has no incident that is kept", chain.name))
}

async fn find(cluster: &Cluster, id: &str) -> miette::Result<HopIncident> {
    let listed = cluster.incidents().list(&ListParams::default()).await;
    let all = listed.map_err(|e| refused("list incidents", &e))?.items;
    the_one(all, id, &cluster.namespace)
}

/// The incident of that name, or the only one whose name has it as a part.
fn the_one(all: Vec<HopIncident>, id: &str, namespace: &str) -> miette::Result<HopIncident> {
    let (exact, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|incident| incident.name_any() == id);
    let mut found: Vec<_> = if exact.is_empty() {
        others.into_iter().filter(|incident| incident.name_any().contains(id)).collect()
    } else {
        exact
    };
    if found.len() > 1 {
        let names: Vec<_> = found.iter().map(ResourceExt::name_any).collect();
        return Err(miette!(help = names.join("\n"), "{} incidents have {id:?} in their names", names.len()));
    }
    found.pop().ok_or_else(|| {
        miette!(
            help = "`hopkeeper status CHAIN` lists the incidents that are kept, CHAIN/HOP finds a hop's; -n chooses the namespace",
            "no incident {id:?} in namespace {namespace:?}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::tests::{berlin, rotated, symptom};

    fn found(id: &str) -> Result<String, String> {
        let all = vec![rotated(None), symptom()];
        the_one(all, id, "vpn").map(|i| i.name_any()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_part_of_the_name_will_do_where_it_is_the_only_one() {
        assert_eq!(found("berlin-exit-112233445566").as_deref(), Ok("berlin-exit-112233445566"));
        assert_eq!(found("0a1b").as_deref(), Ok("berlin-entry-0a1b2c3d4e5f"));
        assert_eq!(found("berlin").unwrap_err(), "2 incidents have \"berlin\" in their names");
        assert_eq!(found("none").unwrap_err(), "no incident \"none\" in namespace \"vpn\"");
    }

    #[test]
    fn the_whole_name_is_meant_also_where_it_is_a_part_of_another() {
        let mut longer = rotated(None);
        longer.metadata.name = Some("berlin-entry-0a1b2c3d4e5f-2".into());
        let one = the_one(vec![longer, rotated(None)], "berlin-entry-0a1b2c3d4e5f", "vpn").unwrap();
        assert_eq!(one.name_any(), "berlin-entry-0a1b2c3d4e5f");
    }

    #[test]
    fn a_hop_is_told_by_what_holds_it_and_else_by_its_newest_incident() {
        let mut earlier = rotated(Some("Up"));
        earlier.metadata.name = Some("berlin-entry-earlier".into());
        earlier.spec.last.time.0 -= jiff::SignedDuration::from_secs(60);
        let mut later = symptom();
        later.metadata.name = Some("berlin-exit-healed".into());
        later.spec.last.time.0 += jiff::SignedDuration::from_secs(60);
        later.status.as_mut().unwrap().phase = crate::crd::incident::IncidentPhase::Suppressed;
        let all = overview(&[berlin()], &[earlier, rotated(None), symptom(), later]);
        let told = |hop| of_hop(&all.chains[0], hop).map(|story| story.id).map_err(|e| e.to_string());
        assert_eq!(told("exit").as_deref(), Ok("berlin-exit-112233445566"), "it is held");
        assert_eq!(told("entry").as_deref(), Ok("berlin-entry-0a1b2c3d4e5f"), "the newest");
        assert_eq!(told("middle").unwrap_err(), "hop \"middle\" of chain \"berlin\" has no incident that is kept");
        assert_eq!(told("x").unwrap_err(), "chain \"berlin\" has no hop \"x\": it has entry, middle, exit");
    }
}
