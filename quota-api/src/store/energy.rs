//! Statements for the energy of jobs.

use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError};
use crate::energy::{Charge, JobGpu};

/// A job's energy is kept so long after it was last charged: two years, for reports on a grant.
const KEPT_MS: i64 = 731 * 86_400_000;

/// A counter that began anew, with an agent that lost its accounts, takes nothing back. Both databases have no word in common for
/// the larger of two numbers.
const KEEP: &str = "INSERT INTO job_energy (workload_uid, gpu_uuid, measured_millijoules, estimated_millijoules, changed_ms) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workload_uid, gpu_uuid) DO UPDATE SET \
    measured_millijoules = CASE WHEN excluded.measured_millijoules > job_energy.measured_millijoules \
        THEN excluded.measured_millijoules ELSE job_energy.measured_millijoules END, \
    estimated_millijoules = CASE WHEN excluded.estimated_millijoules > job_energy.estimated_millijoules \
        THEN excluded.estimated_millijoules ELSE job_energy.estimated_millijoules END, \
    changed_ms = excluded.changed_ms";

impl Store {
    /// Keeps what counters say, all or nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_energy<'a>(
        &self,
        counters: impl IntoIterator<Item = (&'a JobGpu, &'a Charge)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool().begin().await?;
        for (JobGpu { workload_uid, gpu_uuid }, charge) in counters {
            sqlx::query(KEEP)
                .bind(workload_uid.as_str())
                .bind(gpu_uuid.as_str())
                .bind(charge.measured_millijoules)
                .bind(charge.estimated_millijoules)
                .bind(now.as_millisecond())
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Energy of a job; `None` where no agent ever charged it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn energy_of(&self, workload_uid: &str) -> Result<Option<Charge>, StoreError> {
        let rows = sqlx::query(
            "SELECT measured_millijoules, estimated_millijoules FROM job_energy WHERE workload_uid = $1",
        )
        .bind(workload_uid)
        .fetch_all(self.pool())
        .await?;
        let mut whole = None;
        for row in rows {
            let charge: &mut Charge = whole.get_or_insert_default();
            charge.measured_millijoules += row.try_get::<i64, _>("measured_millijoules")?;
            charge.estimated_millijoules += row.try_get::<i64, _>("estimated_millijoules")?;
        }
        Ok(whole)
    }

    /// Forgets what is too old for any report.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_energy(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.as_millisecond() - KEPT_MS;
        sqlx::query("DELETE FROM job_energy WHERE changed_ms < $1").bind(before).execute(self.pool()).await?;
        Ok(())
    }
}
