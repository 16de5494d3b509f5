{#
  Raw tables keep every record as one JSON document. These two macros are the only readers of that layout.

  latest_documents(relation): the newest version of each record (entities that change).
      Columns: record_key, document, batch_seq, first_loaded_at (of its first version).
  new_documents(relation, this): documents of immutable events; on an incremental run only those of batches that this
      model has not seen. Batch numbers only grow, so the highest number in the model is where it stopped.
      Columns: record_key, document, batch_seq.

  `mapped` is the record in canonical column names where a mapping changed any, else the payload is canonical already.
#}
{% macro latest_documents(relation) %}
    select
        record_key,
        coalesce(mapped, payload) as document,
        batch_seq,
        first_loaded_at
    from (
        select
            record_key,
            payload,
            mapped,
            batch_seq,
            min(loaded_at) over (partition by record_key) as first_loaded_at,
            row_number() over (partition by record_key order by batch_seq desc, line desc) as recency
        from {{ relation }}
    ) as versions
    where recency = 1
{% endmacro %}

{% macro new_documents(relation, this) %}
    select
        record_key,
        coalesce(mapped, payload) as document,
        batch_seq
    from {{ relation }}
    {% if is_incremental() %}
    where batch_seq > (select coalesce(max(batch_seq), 0) from {{ this }})
    {% endif %}
{% endmacro %}
