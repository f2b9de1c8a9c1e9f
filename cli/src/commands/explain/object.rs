//! Reading fields of one object of a cluster; every fault names the file, the object and the field.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use concord_treaty::units::{Gpus, TimestampMillis};
use serde_json::Value;

/// One object, or a part of one.
#[derive(Debug, Clone)]
pub struct Object<'v> {
    /// For faults: file, kind and name.
    whole: String,
    /// For faults: path from the object.
    path: String,
    value: &'v Value,
}

impl<'v> Object<'v> {
    /// An object of a list.
    pub fn new(file: &str, value: &'v Value) -> Self {
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or("?");
        let name = match value.pointer("/metadata/namespace").and_then(Value::as_str) {
            Some(namespace) => format!("{namespace}/{}", text("/metadata/name")),
            None => text("/metadata/name").to_owned(),
        };
        Self { whole: format!("{file}: {} {name}", text("/kind")), path: String::new(), value }
    }

    /// What is wrong with this part.
    pub fn fault(&self, what: &str) -> anyhow::Error {
        anyhow::anyhow!("{}: {}: {what}", self.whole, self.path)
    }

    /// A part by its path; `None` if it, or something before it, is absent or null.
    pub fn part(&self, path: &str) -> Option<Self> {
        let mut value = self.value;
        for name in path.split('.') {
            value = value.get(name)?;
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{path}", self.path);
        (!value.is_null()).then_some(Self { whole: self.whole.clone(), path, value })
    }

    fn must(&self, path: &str) -> Result<Self> {
        self.part(path).with_context(|| {
            let dot = if self.path.is_empty() { "" } else { "." };
            format!("{}: {}{dot}{path}: is missing", self.whole, self.path)
        })
    }

    /// The value as it is.
    pub const fn value(&self) -> &'v Value {
        self.value
    }

    /// A text that must be there.
    pub fn text(&self, path: &str) -> Result<&'v str> {
        let part = self.must(path)?;
        part.value.as_str().ok_or_else(|| part.fault("is not a text"))
    }

    /// A text that may be absent.
    pub fn text_if(&self, path: &str) -> Result<Option<&'v str>> {
        self.part(path).map(|_| self.text(path)).transpose()
    }

    /// A whole number from 0 on that must be there.
    pub fn number(&self, path: &str) -> Result<i64> {
        let part = self.must(path)?;
        part.value.as_i64().filter(|n| *n >= 0).ok_or_else(|| part.fault("is not a whole number from 0 on"))
    }

    /// A whole number from 0 on that may be absent.
    pub fn number_if(&self, path: &str) -> Result<Option<i64>> {
        self.part(path).map(|_| self.number(path)).transpose()
    }

    /// Labels; absent is none.
    pub fn labels(&self, path: &str) -> Result<BTreeMap<String, String>> {
        let Some(part) = self.part(path) else { return Ok(BTreeMap::new()) };
        let map = part.value.as_object().ok_or_else(|| part.fault("is not a map"))?;
        let label = |(key, value): (&String, &Value)| {
            let value = value.as_str().ok_or_else(|| part.fault(&format!("{key}: is not a text")))?;
            Ok((key.clone(), value.to_owned()))
        };
        map.iter().map(label).collect()
    }

    /// A number of GPUs or pods that must be there.
    pub fn gpus(&self, path: &str) -> Result<Gpus> {
        let number = self.number(path)?;
        Gpus::try_from(number).map_err(|_| self.must(path).map_or_else(|e| e, |p| p.fault("is too large")))
    }

    /// A switch; absent is off.
    pub fn flag(&self, path: &str) -> Result<bool> {
        let Some(part) = self.part(path) else { return Ok(false) };
        part.value.as_bool().ok_or_else(|| part.fault("is neither true nor false"))
    }

    /// A time that must be there.
    pub fn time(&self, path: &str) -> Result<TimestampMillis> {
        let text = self.text(path)?;
        let Ok(time) = text.parse::<jiff::Timestamp>() else {
            bail!(self.must(path)?.fault(&format!("{text:?} is not a time such as 2027-01-31T12:00:00Z")));
        };
        Ok(TimestampMillis(time.as_millisecond()))
    }

    /// The entries of a list; absent is empty.
    pub fn list(&self, path: &str) -> Result<Vec<Self>> {
        let Some(part) = self.part(path) else { return Ok(Vec::new()) };
        let Some(entries) = part.value.as_array() else { bail!(part.fault("is not a list")) };
        let entry = |(index, value): (usize, &'v Value)| Self {
            whole: part.whole.clone(),
            path: format!("{}[{index}]", part.path),
            value,
        };
        Ok(entries.iter().enumerate().map(entry).collect())
    }
}
