-- What the register's view may read of openings: those of the public classes, and no others. Which of them have been
-- published is said by entries (`register-published`), and is for the view to heed.
CREATE VIEW public_openings WITH (security_barrier) AS
SELECT idx, digest, opening
FROM openings
WHERE class IN ('public', 'public-from');
COMMENT ON VIEW public_openings IS 'Openings of fields that are meant for the public, published or not';

GRANT SELECT ON public_openings TO daybook_view;
