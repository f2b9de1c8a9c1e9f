//! The nodes of the pool, as the command line states them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::treaty::{ClassCapacity, Treaty};
use jiff::civil::Date;

/// Nodes and day against which shares are worked out.
#[derive(Debug, clap::Args)]
pub struct NodeArguments {
    /// Number of nodes; with classes one number for each: h100=32,a100=64
    #[arg(long, value_delimiter = ',', value_name = "N|CLASS=N", conflicts_with = "node_file")]
    pub nodes: Vec<String>,
    /// GPUs of each of these nodes
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub gpus_per_node: u32,
    /// CSV file of nodes with the columns name, gpus and labels (a=b;c=d)
    #[arg(long, value_name = "FILE")]
    pub node_file: Option<PathBuf>,
    /// Day on which shares are worked out, YYYY-MM-DD; today if not given
    #[arg(long, value_name = "DAY")]
    pub on: Option<Date>,
}

/// A row of a node file.
#[derive(serde::Deserialize)]
struct NodeRow {
    name: String,
    gpus: u32,
    #[serde(default)]
    labels: String,
}

impl NodeArguments {
    /// Whether any nodes were stated.
    pub fn stated(&self) -> bool {
        !self.nodes.is_empty() || self.node_file.is_some()
    }

    /// The day that counts.
    pub fn day(&self) -> Date {
        self.on.unwrap_or_else(|| jiff::Zoned::now().date())
    }

    /// Capacity by class of that treaty.
    ///
    /// # Errors
    /// When the nodes do not fit the treaty's classes, or the file cannot be read.
    pub fn capacity(&self, treaty: &Treaty) -> Result<Vec<ClassCapacity>> {
        if let Some(file) = &self.node_file {
            return from_file(file, treaty);
        }
        self.nodes.iter().map(|text| self.one(text, treaty)).collect()
    }

    fn one(&self, text: &str, treaty: &Treaty) -> Result<ClassCapacity> {
        let names = || treaty.classes().iter().map(|c| format!("{}=N", c.name)).collect::<Vec<_>>().join(",");
        let (class, number) = match text.split_once('=') {
            None => {
                ensure!(treaty.classes().len() <= 1, "the treaty has classes: write --nodes {}", names());
                ((!treaty.classes().is_empty()).then_some(concord_treaty::clauses::ClassId(0)), text)
            }
            Some((name, number)) => {
                let Some(class) = treaty.class_id(name) else {
                    bail!("the treaty has no class {name:?}; its classes: [{}]", names());
                };
                (Some(class), number)
            }
        };
        let nodes = number.parse().with_context(|| format!("{number:?} is not a number of nodes"))?;
        Ok(ClassCapacity { class, nodes, gpus_per_node: self.gpus_per_node })
    }
}

fn from_file(file: &Path, treaty: &Treaty) -> Result<Vec<ClassCapacity>> {
    let shown = file.display();
    let mut reader = csv::Reader::from_path(file).with_context(|| format!("cannot read {shown}"))?;
    let mut counts: BTreeMap<(Option<concord_treaty::clauses::ClassId>, u32), u32> = BTreeMap::new();
    for (index, row) in reader.deserialize().enumerate() {
        let row: NodeRow = row.with_context(|| format!("{shown}: row {}", index + 1))?;
        let labels: BTreeMap<&str, &str> = row.labels.split(';').filter_map(|l| l.split_once('=')).collect();
        let class = treaty.classes().iter().position(|class| {
            class.node_labels.iter().all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
        });
        if class.is_none() && !treaty.classes().is_empty() {
            bail!("{shown}: node {:?} is of no class of the treaty; its labels: {:?}", row.name, row.labels);
        }
        let class = class.and_then(|i| u16::try_from(i).ok()).map(concord_treaty::clauses::ClassId);
        *counts.entry((class, row.gpus)).or_default() += 1;
    }
    let capacity = counts.into_iter();
    Ok(capacity
        .map(|((class, gpus_per_node), nodes)| ClassCapacity { class, nodes, gpus_per_node })
        .collect())
}
