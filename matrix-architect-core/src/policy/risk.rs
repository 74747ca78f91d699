//! How risky a change is, with every contribution named.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How risky a change is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// Nobody has to look.
    #[default]
    Low,
    /// Worth a look.
    Medium,
    /// Somebody has to agree.
    High,
    /// Somebody has to agree, and it touches what judges it.
    Critical,
}

impl RiskLevel {
    /// The level's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for RiskLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason for risk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// Its stable name, such as `touches_ci`.
    pub name: String,
    /// Points it adds.
    pub points: u32,
    /// The level it alone demands.
    pub floor: RiskLevel,
    /// What was seen, such as the path.
    pub detail: String,
}

/// How risky a change is: the highest floor of any signal, or what the points add up to, whichever
/// is more. Never a mean: one grave signal is not outweighed by ten harmless ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskScore {
    /// The level.
    pub level: RiskLevel,
    /// The points, 0 to 100.
    pub points: u32,
    /// Every contribution; their points add up to `points` unless that was capped at 100.
    pub signals: Vec<Signal>,
}

/// From how many points on a change is of which level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Default: 25.
    pub medium: u32,
    /// Default: 55.
    pub high: u32,
    /// Default: 90.
    pub critical: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { medium: 25, high: 55, critical: 90 }
    }
}

impl Thresholds {
    /// The level that so many points demand by themselves.
    pub const fn level(&self, points: u32) -> RiskLevel {
        if points >= self.critical {
            RiskLevel::Critical
        } else if points >= self.high {
            RiskLevel::High
        } else if points >= self.medium {
            RiskLevel::Medium
        } else {
            RiskLevel::Low
        }
    }
}

impl RiskScore {
    /// The score of these signals, the gravest first.
    pub fn of(mut signals: Vec<Signal>, thresholds: &Thresholds) -> Self {
        signals.sort_by(|a, b| {
            let gravity = |signal: &Signal| (signal.floor, signal.points);
            gravity(b).cmp(&gravity(a)).then_with(|| a.name.cmp(&b.name))
        });
        let sum = signals.iter().fold(0_u32, |sum, signal| sum.saturating_add(signal.points));
        let points = sum.min(100);
        let floor = signals.iter().map(|signal| signal.floor).max().unwrap_or_default();
        Self { level: floor.max(thresholds.level(points)), points, signals }
    }
}
