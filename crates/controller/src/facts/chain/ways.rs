//! Where the identity of an entry is asked: the endpoints of its sessions.

use acr_configuration::{EndpointChoice, Product};
use acr_credentials::endpoint::endpoints;

use super::Drawing;

impl Drawing<'_> {
    pub(super) fn metadata(&self) -> Vec<String> {
        endpoints(Product::Metadata, "", self.entry.endpoint, &self.configuration.endpoints)
    }

    /// STS: an override of the configuration, else by region, after the endpoint injected with RRSA unless the entry
    /// chooses.
    ///
    /// That is our own region where it is known: sessions hold in all regions, so that entries of several regions share
    /// each hop. Where nobody says it, it is the first region of the configuration, and the second where that cannot be
    /// reached: the same for all entries, so that they share all the same. VPC endpoints alone are reached from their own
    /// region only.
    pub(super) fn sts(&self, region: &str) -> Vec<String> {
        let Self { configuration, surroundings, entry, .. } = self;
        let own = surroundings.own_region();
        let region = own.unwrap_or(region);
        let overridden = configuration.endpoint_override(Product::Sts, region).is_some();
        let shares = own.is_none() && entry.endpoint != EndpointChoice::Vpc && !overridden;
        let regions = if shares { self.first_regions() } else { vec![region] };
        let of = |region: &&str| endpoints(Product::Sts, region, entry.endpoint, &configuration.endpoints);
        let mut tried: Vec<String> = regions.iter().flat_map(of).collect();
        // An entry that says which endpoints to call is asked there; what is injected is a VPC endpoint as a rule. Where
        // that cannot be reached, `auto` falls back from it as from any other.
        if let Some(injected) = &surroundings.settings.sts_endpoint
            && entry.endpoint == EndpointChoice::Auto
            && !overridden
        {
            tried.retain(|url| url != injected);
            tried.insert(0, injected.clone());
        }
        tried
    }

    /// The first two regions that entries name.
    fn first_regions(&self) -> Vec<&str> {
        let mut named = self.configuration.entries.iter().filter_map(|entry| entry.region.as_deref());
        let first = named.next();
        let second = named.find(|region| Some(*region) != first);
        first.into_iter().chain(second).collect()
    }
}
