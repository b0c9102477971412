"""`lmpm.toml` and `lmpm.lock`, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmpm.project import actions as actions
    from lmpm.project.actions.asks import overlaid as overlaid, with_policy as with_policy
    from lmpm.project.actions.freshness import require_current as require_current
    from lmpm.project.actions.plan import (
        ActionReporter as ActionReporter,
        Installed as Installed,
        Plan as Plan,
        Result as Result,
        Step as Step,
        locked_step as locked_step,
    )
    from lmpm.project.actions.report import Report as Report, verify_exit_code as verify_exit_code
    from lmpm.project.actions.resolve import resolve_reference as resolve_reference
    from lmpm.project.actions.twins import (
        TwinStep as TwinStep,
        bring_twin as bring_twin,
        missing_files as missing_files,
        twins_of as twins_of,
    )
    from lmpm.project.adapted import fetch_adapters as fetch_adapters, require_belonging as require_belonging
    from lmpm.project.audit import Finding as Finding, audit_exit_code as audit_exit_code, audit_lock as audit_lock
    from lmpm.project.directory import (
        Project as Project,
        edit_project as edit_project,
        find_model as find_model,
        find_models as find_models,
        find_project as find_project,
    )
    from lmpm.project.environment import Environment as Environment, hub_token as hub_token
    from lmpm.project.exported import Exported as Exported, ExportedFile as ExportedFile, Exports as Exports
    from lmpm.project.lock import entry as entry
    from lmpm.project.lock.adapters import LockedAdapter as LockedAdapter
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
    from lmpm.project.lock.reader import parse_lock as parse_lock
    from lmpm.project.lock.recipes import pinned_recipe as pinned_recipe, recipe_of as recipe_of
    from lmpm.project.lock.records import Lock as Lock, LockedCandidate as LockedCandidate, LockedModel as LockedModel
    from lmpm.project.lock.training import Training as Training
    from lmpm.project.lock.twins import Form as Form, Twin as Twin
    from lmpm.project.lock.writer import emit_lock as emit_lock
    from lmpm.project.manifest import (
        MANIFEST_NAME as MANIFEST_NAME,
        Manifest as Manifest,
        ManifestModel as ManifestModel,
        Policy as Policy,
        parse_manifest as parse_manifest,
    )
    from lmpm.project.manifest_edit import MANIFEST_HEADER as MANIFEST_HEADER
    from lmpm.project.outdated import News as News, find_news as find_news
    from lmpm.project.policy import (
        require_permitted as require_permitted,
        require_twin_permitted as require_twin_permitted,
    )
    from lmpm.project.registry import Known as Known
    from lmpm.project.remarks import license_remarks as license_remarks, stale_remarks as stale_remarks
    from lmpm.project.reports.cyclonedx import cyclonedx_bom as cyclonedx_bom
    from lmpm.project.reports.junit import junit_xml as junit_xml
    from lmpm.project.reports.sarif import sarif_log as sarif_log
    from lmpm.project.space import explain_shortage as explain_shortage, require_space as require_space
    from lmpm.project.usage import lacking as lacking, plan_prune as plan_prune, uses_of as uses_of
    from lmpm.project.workspace import (
        Workspace as Workspace,
        global_directory as global_directory,
        project_directory as project_directory,
    )
else:
    from lmpm.lazy import expose

    __getattr__, __all__ = expose(
        __name__,
        {
            "actions": "actions",
            "actions.asks": "overlaid with_policy",
            "actions.freshness": "require_current",
            "actions.plan": "ActionReporter Installed Plan Result Step locked_step",
            "actions.report": "Report verify_exit_code",
            "actions.resolve": "resolve_reference",
            "actions.twins": "TwinStep bring_twin missing_files twins_of",
            "adapted": "fetch_adapters require_belonging",
            "audit": "Finding audit_exit_code audit_lock",
            "directory": "Project edit_project find_model find_models find_project",
            "environment": "Environment hub_token",
            "exported": "Exported ExportedFile Exports",
            "lock.adapters": "LockedAdapter",
            "lock.diff": "differences",
            "lock.entry": "TASK_HINT context_of entry is_task_assumed prove rung_for task_of",
            "lock.file": "load_lock",
            "lock.ladder": "Rung variant_of",
            "lock.reader": "parse_lock",
            "lock.recipes": "pinned_recipe recipe_of",
            "lock.records": "Lock LockedCandidate LockedModel",
            "lock.training": "Training",
            "lock.twins": "Form Twin",
            "lock.writer": "emit_lock",
            "manifest": "MANIFEST_NAME Manifest ManifestModel Policy parse_manifest",
            "manifest_edit": "MANIFEST_HEADER",
            "outdated": "News find_news",
            "policy": "require_permitted require_twin_permitted",
            "registry": "Known",
            "remarks": "license_remarks stale_remarks",
            "reports.cyclonedx": "cyclonedx_bom",
            "reports.junit": "junit_xml",
            "reports.sarif": "sarif_log",
            "space": "explain_shortage require_space",
            "usage": "lacking plan_prune uses_of",
            "workspace": "Workspace global_directory project_directory",
        },
    )
