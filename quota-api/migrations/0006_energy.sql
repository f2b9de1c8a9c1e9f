-- Energy that node agents charged to a job, as their counters last said; such a counter only grows.
CREATE TABLE job_energy (
  -- The Job object: another one of the same name is another job.
  workload_uid TEXT NOT NULL,
  gpu_uuid TEXT NOT NULL,
  measured_millijoules BIGINT NOT NULL,
  estimated_millijoules BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL,
  PRIMARY KEY (workload_uid, gpu_uuid)
);
CREATE INDEX job_energy_changed ON job_energy (changed_ms);
