"""Write what is generated in the documentation anew: ``python -m tests.pages``, or ``make docs``."""

from __future__ import annotations

from tests.pages.commands import COMMANDS_PAGE, commands_page
from tests.pages.database import DATABASE_PAGE, write_database_page
from tests.pages.picture import PICTURE, demo_picture
from tests.pages.site import draw_site
from tests.pages.tour import write_tour


def main() -> None:
    """Write the page of the commands, the picture of the demo and the tour's outputs; name the files."""
    COMMANDS_PAGE.write_text(commands_page(), encoding="utf-8")
    PICTURE.write_text(demo_picture(), encoding="utf-8")
    write_database_page()
    draw_site()
    write_tour()
    print(COMMANDS_PAGE, PICTURE, DATABASE_PAGE, sep="\n")


if __name__ == "__main__":
    main()
