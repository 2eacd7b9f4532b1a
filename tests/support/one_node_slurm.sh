#!/usr/bin/env bash
# One machine as a SLURM of one node, for the tests marked "cluster": controller, node and munge.
#   sudo tests/support/one_node_slurm.sh start|stop
# Needs root and Debian's packages slurm-wlm and munge. State lies below one folder; `stop` ends it.
set -euo pipefail
state=${SEGKIT_SLURM_STATE:-/var/tmp/segkit-slurm}
node=$(hostname -s)

stop() {
  for name in slurmd slurmctld; do
    [ -s "$state/$name.pid" ] && kill "$(cat "$state/$name.pid")" 2>/dev/null || true
  done
  [ -s /run/munge/munged.pid ] && kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true
  for _ in {1..20}; do pgrep -x slurmctld >/dev/null || break; sleep 0.5; done
  rm -rf "$state" || true  # the controller may be writing its last state still
}

settings() {
  cat <<CONF
ClusterName=segkit
SlurmctldHost=$node
SlurmUser=root
AuthType=auth/munge
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/node
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
NodeName=$node CPUs=$(nproc) RealMemory=3000 State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

start() {
  mkdir -p "$state/controller" "$state/node" /etc/slurm /run/munge
  chown munge: /run/munge
  pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged
  settings >/etc/slurm/slurm.conf
  slurmctld
  slurmd
  for _ in {1..40}; do
    sinfo --noheader --format=%T 2>/dev/null | grep -q idle && return 0
    sleep 0.5
  done
  echo "the node did not come up: see $state/*.log" >&2
  return 1
}

"${1:?start or stop}"
