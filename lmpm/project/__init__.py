"""`lmpm.toml` and `lmpm.lock`, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.project.actions import install as install
    from lmpm.project.actions.install import constraints_of as constraints_of, with_policy as with_policy
    from lmpm.project.actions.verify import (
        Report as Report,
        Verifier as Verifier,
        build_number as build_number,
        verify_exit_code as verify_exit_code,
    )
    from lmpm.project.audit import Finding as Finding, audit_exit_code as audit_exit_code, audit_lock as audit_lock
    from lmpm.project.directory import Project as Project, edit_project as edit_project, find_project as find_project
    from lmpm.project.lock import entry as entry
    from lmpm.project.lock.build import SIZE_CLASSES as SIZE_CLASSES, is_as_good as is_as_good
    from lmpm.project.lock.diff import differences as differences
    from lmpm.project.lock.entry import (
        TASK_HINT as TASK_HINT,
        context_of as context_of,
        is_task_assumed as is_task_assumed,
        prove as prove,
        rung_for as rung_for,
        task_of as task_of,
    )
    from lmpm.project.lock.file import load_lock as load_lock
    from lmpm.project.lock.ladder import Rung as Rung, variant_of as variant_of
    from lmpm.project.lock.reader import LOCK_NAME as LOCK_NAME, newer_lock as newer_lock, parse_lock as parse_lock
    from lmpm.project.lock.records import (
        REVISION as REVISION,
        Lock as Lock,
        LockedCandidate as LockedCandidate,
        LockedModel as LockedModel,
    )
    from lmpm.project.lock.writer import emit_lock as emit_lock
    from lmpm.project.manifest import Manifest as Manifest, ManifestModel as ManifestModel, Policy as Policy
    from lmpm.project.manifest_edit import MANIFEST_HEADER as MANIFEST_HEADER, remove_model as remove_model
    from lmpm.project.policy import (
        require_all_permitted as require_all_permitted,
        require_permitted as require_permitted,
    )
    from lmpm.project.registry import Known as Known, KnownProjects as KnownProjects
    from lmpm.project.reports.cyclonedx import cyclonedx_bom as cyclonedx_bom
    from lmpm.project.reports.junit import junit_xml as junit_xml
    from lmpm.project.reports.sarif import sarif_log as sarif_log
    from lmpm.project.space import require_space as require_space
    from lmpm.project.staleness import stale_models as stale_models, stale_reasons as stale_reasons
    from lmpm.project.upstream import Change as Change, changes as changes
    from lmpm.project.usage import lacking as lacking, plan_prune as plan_prune, uses_of as uses_of
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "actions.install": "constraints_of install with_policy",
            "actions.verify": "Report Verifier build_number verify_exit_code",
            "audit": "Finding audit_exit_code audit_lock",
            "directory": "Project edit_project find_project",
            "lock.build": "SIZE_CLASSES is_as_good",
            "lock.diff": "differences",
            "lock.entry": "TASK_HINT context_of entry is_task_assumed prove rung_for task_of",
            "lock.file": "load_lock",
            "lock.ladder": "Rung variant_of",
            "lock.reader": "LOCK_NAME newer_lock parse_lock",
            "lock.records": "Lock LockedCandidate LockedModel REVISION",
            "lock.writer": "emit_lock",
            "manifest": "Manifest ManifestModel Policy",
            "manifest_edit": "MANIFEST_HEADER remove_model",
            "policy": "require_all_permitted require_permitted",
            "registry": "Known KnownProjects",
            "reports.cyclonedx": "cyclonedx_bom",
            "reports.junit": "junit_xml",
            "reports.sarif": "sarif_log",
            "space": "require_space",
            "staleness": "stale_models stale_reasons",
            "upstream": "Change changes",
            "usage": "lacking plan_prune uses_of",
        },
    )
