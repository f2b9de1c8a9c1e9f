//! Validation of eligibility, votes, amendments, withdrawal and publication.

use std::collections::BTreeMap;

use crate::clauses::{
    AmendmentRule, DataClass, Eligibility, Matter, OrganisationKind, PublicationRule, Purpose, VoteRule,
    WithdrawalRule,
};
use crate::document::{
    AmendmentDocument, EligibilityDocument, MatterName, OrganisationKindName, PurposeName, VoteDocument,
};
use crate::treaty::checker::{Checker, repeated};
use crate::treaty::members::weight_by;
use crate::units::{DurationMillis, TimestampMillis};

const SECONDS_OF_DAY: i64 = 86_400;
/// Ten years.
const DAYS_MOST: i64 = 3_660;
/// Same limit as the CRD's schema.
const ENTRIES_MOST: usize = 16;

impl Checker<'_> {
    pub fn eligibility(&mut self, raw: &EligibilityDocument, path: &str) -> Eligibility {
        self.at_most(raw.countries.len(), 250, &format!("{path}.countries"));
        self.countries(&raw.countries, &format!("{path}.countries"));
        let help = "delete one of the two";
        for index in repeated(&raw.organisation_kinds) {
            self.fault("TR003", &format!("{path}.organisationKinds[{index}]"), "the kind stands twice", help);
        }
        for index in repeated(&raw.purposes) {
            self.fault("TR003", &format!("{path}.purposes[{index}]"), "the purpose stands twice", help);
        }
        self.at_most(raw.data_classes.len(), ENTRIES_MOST, &format!("{path}.dataClasses"));
        let mut taken = BTreeMap::new();
        for (index, class) in raw.data_classes.iter().enumerate() {
            let path = format!("{path}.dataClasses[{index}]");
            self.name(&class.name, &format!("{path}.name"), &mut taken);
            self.labels(&class.node_labels, &format!("{path}.nodeLabels"));
        }
        eligibility_of(raw)
    }

    pub fn votes(&mut self) -> Vec<VoteRule> {
        let matters: Vec<MatterName> = self.document.votes.iter().map(|v| v.matter).collect();
        for index in repeated(&matters) {
            let message = "how to decide this stands twice";
            self.fault("TR003", &format!("votes[{index}].matter"), message, "delete one of the two");
        }
        let document = self.document;
        document.votes.iter().enumerate().map(|(i, raw)| self.vote(raw, &format!("votes[{i}]"))).collect()
    }

    fn vote(&mut self, raw: &VoteDocument, path: &str) -> VoteRule {
        let mut optional = |text: &Option<String>, field: &str| {
            text.as_ref().map_or_else(Default::default, |t| self.percent(t, 100, &format!("{path}.{field}")))
        };
        let (heads_threshold, quorum) =
            (optional(&raw.heads_percent, "headsPercent"), optional(&raw.quorum_percent, "quorumPercent"));
        VoteRule {
            on: matter(raw.matter),
            weights: weight_by(raw.weight_by),
            weight_threshold: self.percent(&raw.weight_percent, 100, &format!("{path}.weightPercent")),
            heads_threshold,
            quorum,
            absent_counted: raw.absent_counted,
            abstentions_counted: raw.abstentions_counted,
            concerned_recused: raw.concerned_recused,
        }
    }

    pub fn amendments(&mut self) -> Vec<AmendmentRule> {
        let matters: Vec<MatterName> = self.document.amendments.iter().map(|a| a.of).collect();
        for index in repeated(&matters) {
            let message = "how to amend this stands twice";
            self.fault("TR003", &format!("amendments[{index}].of"), message, "delete one of the two");
        }
        let document = self.document;
        let amendments = document.amendments.iter().enumerate();
        amendments.map(|(i, raw)| self.amendment(raw, &format!("amendments[{i}]"))).collect()
    }

    fn amendment(&mut self, raw: &AmendmentDocument, path: &str) -> AmendmentRule {
        let emergency = raw.of == MatterName::Emergency;
        if emergency && raw.sunset_days.is_none() {
            let help = "add `sunsetDays: 90`";
            self.fault(
                "TR028",
                &format!("{path}.sunsetDays"),
                "an emergency change must end by itself",
                help,
            );
        }
        if !emergency && raw.sunset_days.is_some() {
            let message = "only emergency changes end by themselves";
            self.fault("TR028", &format!("{path}.sunsetDays"), message, "delete it");
        }
        let notice = self.days(raw.notice_days, &format!("{path}.noticeDays"));
        AmendmentRule {
            of: matter(raw.of),
            notice,
            entry_into_force: self.days(raw.entry_into_force_days, &format!("{path}.entryIntoForceDays")),
            ratified_by_all: raw.ratified_by_all,
            provisional: raw.provisional,
            sunset: raw.sunset_days.map(|d| self.days(d, &format!("{path}.sunsetDays"))),
        }
    }

    pub fn withdrawal(&mut self) -> Option<WithdrawalRule> {
        let raw = self.document.withdrawal.as_ref()?;
        let notice = self.days(raw.notice_days, "withdrawal.noticeDays");
        let day = raw.not_before.as_ref().and_then(|d| self.date(d, "withdrawal.notBefore"));
        let start = day.and_then(|d| d.to_zoned(self.zone.clone()).ok());
        Some(WithdrawalRule {
            notice,
            not_before: start.map(|z| TimestampMillis(z.timestamp().as_millisecond())),
        })
    }

    pub fn publication(&mut self) -> Option<PublicationRule> {
        let raw = self.document.publication?;
        let days = self.number(raw.usage_delay_days, 0..=366, "publication.usageDelayDays");
        Some(PublicationRule {
            usage_delay: DurationMillis::from_seconds(days * SECONDS_OF_DAY),
            usage_by_project: raw.usage_by_project,
            awards: raw.awards,
        })
    }

    fn days(&mut self, days: i64, path: &str) -> DurationMillis {
        DurationMillis::from_seconds(self.number(days, 0..=DAYS_MOST, path) * SECONDS_OF_DAY)
    }
}

/// The validated form of a clause that was checked where it stands.
pub fn eligibility_of(raw: &EligibilityDocument) -> Eligibility {
    let data = raw.data_classes.iter();
    Eligibility {
        organisation_kinds: raw.organisation_kinds.iter().map(|name| (*name).into()).collect(),
        countries: raw.countries.clone(),
        purposes: raw.purposes.iter().map(|name| (*name).into()).collect(),
        data_classes: data
            .map(|d| DataClass { name: d.name.clone(), node_labels: d.node_labels.clone() })
            .collect(),
    }
}

impl From<OrganisationKindName> for OrganisationKind {
    fn from(name: OrganisationKindName) -> Self {
        match name {
            OrganisationKindName::Academic => Self::Academic,
            OrganisationKindName::Ngo => Self::Ngo,
            OrganisationKindName::PublicBody => Self::PublicBody,
            OrganisationKindName::Sme => Self::Sme,
            OrganisationKindName::Industry => Self::Industry,
        }
    }
}

impl From<PurposeName> for Purpose {
    fn from(name: PurposeName) -> Self {
        match name {
            PurposeName::Civil => Self::Civil,
            PurposeName::DualUse => Self::DualUse,
            PurposeName::Military => Self::Military,
        }
    }
}

const fn matter(name: MatterName) -> Matter {
    match name {
        MatterName::Body => Matter::Body,
        MatterName::Annex => Matter::Annex,
        MatterName::Emergency => Matter::Emergency,
        MatterName::OpenReserve => Matter::OpenReserve,
        MatterName::Admission => Matter::Admission,
        MatterName::Suspension => Matter::Suspension,
    }
}
