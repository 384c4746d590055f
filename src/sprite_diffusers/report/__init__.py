"""The results page, built from an MLflow store alone."""

from .build import ReportResult, build_report

__all__ = ["ReportResult", "build_report"]
