"""What is in a data set, and what is wrong with it? Looked at before anything is removed, as a page with advice."""

from .advice import Finding
from .report import AuditReport, audit

__all__ = ["AuditReport", "Finding", "audit"]
